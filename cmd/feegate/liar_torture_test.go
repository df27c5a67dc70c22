//go:build torture

package main

import (
	"math/rand/v2"
	"testing"
)

// TestTortureTheLiar is the storm at its full length, under several seeds.
func TestTortureTheLiar(t *testing.T) {
	first, storms := liarSeedOf(t), 3
	if first == 0 {
		first = 1 + rand.Uint64N(1_000_000)
	} else {
		storms = 1
	}
	for n := range storms {
		newLiar(t, first+uint64(n)).storm(2800, 5)
	}
}
