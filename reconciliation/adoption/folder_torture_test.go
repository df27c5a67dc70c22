//go:build torture

package adoption

import "testing"

// TestTortureAggregates is the property of the aggregates over many more worlds.
func TestTortureAggregates(t *testing.T) { theAggregatesAreTheRows(t, 100) }
