//go:build torture

package reconciliation_test

import "testing"

// TestTortureEveryDifference is the property over random worlds, for longer.
func TestTortureEveryDifference(t *testing.T) { everyDifference(t, "400") }
