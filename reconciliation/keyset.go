package reconciliation

import "hash/maphash"

// textSet remembers the hashes of a file's references or transactions, four bytes for each: whether one may have come before. Two
// texts of one hash, of a million a few hundred, only make somebody look.
type textSet struct {
	seed  maphash.Seed
	slots []uint32 // 0: free
	n     int
}

func newTextSet() textSet { return textSet{seed: maphash.MakeSeed(), slots: make([]uint32, 1<<10)} }

// seen adds a text and says whether its hash was there.
func (k *textSet) seen(text string) bool {
	if !k.add(uint32(maphash.String(k.seed, text)) | 1) {
		return true
	}
	if k.n++; k.n > len(k.slots)/4*3 {
		old := k.slots
		k.slots = make([]uint32, 2*len(old))
		for _, h := range old {
			if h != 0 {
				k.add(h)
			}
		}
	}
	return false
}

// add puts a hash into the first free slot from its own on, unless it is there.
func (k *textSet) add(h uint32) bool {
	mask := uint32(len(k.slots) - 1)
	for i := h >> 1 & mask; ; i = (i + 1) & mask {
		switch k.slots[i] {
		case h:
			return false
		case 0:
			k.slots[i] = h
			return true
		}
	}
}
