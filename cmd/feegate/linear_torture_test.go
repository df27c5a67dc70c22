//go:build torture

package main

import (
	"math/rand/v2"
	"testing"
)

func TestTortureAnOrdersHistoryIsOneAfterAnother(t *testing.T) {
	newStreet(t).histories(600, rand.Uint64N(1<<32))
}
