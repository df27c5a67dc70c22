// Stop stops the cluster that tests share, if nobody uses it.
package main

import (
	"context"
	"fmt"
	"os"

	"feegate/migrations/dbtest"
)

func main() {
	said, err := dbtest.Stop(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "stopping the test cluster:", err)
		os.Exit(1)
	}
	fmt.Println(said)
}
