package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"feegate/gateway/account"
	"feegate/migrations/dbtest"
)

func TestServeAndMigrate(t *testing.T) {
	service, owner := dbtest.URLs(t, dbtest.New(t))
	key := filepath.Join(t.TempDir(), "master.json")
	if _, err := account.NewKeys(key); err != nil {
		t.Fatal(err)
	}
	var said, wrong bytes.Buffer
	if code := run(t.Context(), []string{"migrate", "--database-url", owner}, &said, &wrong); code != 0 || !strings.Contains(said.String(), "version") {
		t.Fatalf("migrate: %d %s%s", code, said.String(), wrong.String())
	}
	if code := run(t.Context(), []string{"migrate", "--database-url", "postgres://nobody@127.0.0.1:1/x?sslmode=disable"}, io.Discard, io.Discard); code != 1 {
		t.Errorf("no database: %d", code)
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	logs := &lockedBuffer{}
	ended := make(chan int, 1)
	args := []string{"serve", "--database-url", service, "--listen", "127.0.0.1:0", "--public-url", "https://pay.example", "--master-key-file", key}
	go func() {
		code := run(ctx, args, in, logs)
		_ = in.Close() // whoever waits for the address learns that none comes
		ended <- code
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("no address: %v\n%s", err, logs)
	}
	address := strings.TrimSpace(line)
	resp, err := http.Get(address + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("readyz: %d", resp.StatusCode)
	}
	taken := append([]string{}, args...)
	taken[4] = strings.TrimPrefix(address, "http://")
	var told bytes.Buffer
	if code := run(t.Context(), taken, io.Discard, &told); code != 1 || !strings.Contains(told.String(), "taken") {
		t.Errorf("a taken port: %d %s", code, told.String())
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("stopped: %d\n%s", code, logs)
	}

	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	told.Reset()
	if code := run(t.Context(), args, io.Discard, &told); code != 1 || !strings.Contains(told.String(), "0600") {
		t.Errorf("a key that others may read: %d %s", code, told.String())
	}
}
