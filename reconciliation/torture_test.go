//go:build torture

package reconciliation_test

import "testing"

// TestTortureEveryDifference is the property over random worlds, for longer.
func TestTortureEveryDifference(t *testing.T) {
	for range 4 {
		everyDifference(t, 100)
	}
}
