package vietqr

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestReferenceVectors(t *testing.T) {
	v := readVectors(t).Reference
	if v.Alphabet != alphabet || v.Prefix != Prefix {
		t.Errorf("alphabet %s, prefix %s", v.Alphabet, v.Prefix)
	}
	for _, c := range v.Encode {
		n, err := strconv.ParseUint(c.N.String(), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Encode(n); err != nil || got != c.Ref {
			t.Errorf("%d: %s %v, want %s", n, got, err, c.Ref)
		}
		if got, err := Decode(c.Ref); err != nil || got != n {
			t.Errorf("%s: %d %v, want %d", c.Ref, got, err, n)
		}
	}
	for _, c := range v.Extract {
		all := FindAll(c.Content)
		if !slices.Equal(all, c.Expect) && len(all)+len(c.Expect) > 0 {
			t.Errorf("%s: %q: %v, want %v", c.Note, c.Content, all, c.Expect)
		}
		reference, ambiguous := Find(c.Content)
		if ambiguous != (len(c.Expect) > 1) || (reference != "") != (len(c.Expect) == 1) || reference != "" && reference != c.Expect[0] {
			t.Errorf("%s: %q: %q %v", c.Note, c.Content, reference, ambiguous)
		}
	}
}

func anyReference(t *rapid.T) string {
	ref, err := Encode(rapid.Uint64Range(0, Numbers-1).Draw(t, "n"))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func TestNumberAndReferenceAreTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(0, Numbers-1).Draw(t, "n")
		ref, err := Encode(n)
		if err != nil || len(ref) != Length {
			t.Fatalf("%s %v", ref, err)
		}
		if got, err := Decode(ref); err != nil || got != n {
			t.Fatalf("%s: %d %v", ref, got, err)
		}
	})
	if ref, err := Encode(Numbers); !errors.Is(err, ErrReference) {
		t.Errorf("beyond the last: %s", ref)
	}
	for _, bad := range []string{"", "PHX", "PHX22222223A", "PHX22222223A42", "phx22222223a4", "PHX0222222222", "XHP22222223A4", " PHX22222223A4"} {
		if n, err := Decode(bad); !errors.Is(err, ErrReference) {
			t.Errorf("%q is read as %d", bad, n)
		}
	}
}

// Every one of them, not a sample: 340 substitutions and 28 swaps of each reference.
func TestEverySlipOfOneReferenceIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ref := anyReference(t)
		refused := func(s string) {
			if n, err := Decode(s); err == nil {
				t.Fatalf("%s passes for %s (%d)", s, ref, n)
			}
			if found, _ := Find(s); found != "" {
				t.Fatalf("%s is found in %s", found, s)
			}
		}
		for i := range Length {
			for _, c := range "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
				if byte(c) != ref[i] {
					refused(ref[:i] + string(c) + ref[i+1:])
				}
			}
		}
		for i := len(Prefix); i < len(Prefix)+bodyLen; i++ {
			for j := i + 1; j < len(Prefix)+bodyLen; j++ {
				if ref[i] != ref[j] {
					b := []byte(ref)
					b[i], b[j] = b[j], b[i]
					refused(string(b))
				}
			}
		}
	})
}

// What banks do to a content, applied one after the other, leaves a whole reference to be found.
func TestAReferenceSurvivesABank(t *testing.T) {
	mangle := map[string]func(string) string{
		"lower": strings.ToLower,
		"trace": func(s string) string {
			return "MBVCB.3278907687." + s + ".CT tu 0011002233445 NGUYEN VAN A toi 0123456789 tai VCB"
		},
		"words":  func(s string) string { return "CT DEN:612345678901 ND: " + s },
		"spaces": func(s string) string { return strings.Join(strings.Split(s, ""), " ") },
		"glued":  func(s string) string { return strings.ReplaceAll(s, " ", "") },
		"dashes": func(s string) string { return strings.Join(strings.Split(s, ""), "-") },
		"marks":  func(s string) string { return "Nộp lệ phí đất đai " + s + " cảm ơn" },
		"tail":   func(s string) string { return s + " FT26064123456789 Trace 123456" },
		"cut":    func(s string) string { return s + strings.Repeat("X", 300)[:70] },
	}
	names := make([]string, 0, len(mangle))
	for n := range mangle {
		names = append(names, n)
	}
	slices.Sort(names)
	rapid.Check(t, func(t *rapid.T) {
		ref := anyReference(t)
		s := ref
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 0, 3).Draw(t, "bank") {
			s = mangle[name](s)
		}
		if found, ambiguous := Find(s); found != ref || ambiguous {
			t.Fatalf("%q: %q %v, want %s", s, found, ambiguous, ref)
		}
	})
}

func TestTheNotifiersOwnWordMustAgree(t *testing.T) {
	const one, two = "PHX22222223A4", "PHX22222224J6"
	for _, c := range []struct {
		theirs, content, want string
		ambiguous             bool
	}{
		{one, "nop phi " + one, one, false}, {one, "nop phi", one, false}, {"", one, one, false}, {"DH102969", one, one, false},
		{one, two, "", true}, {"", "nop phi", "", false}, {"PHX2222", "2223A4", "", false},
	} {
		if got, ambiguous := Agree(c.theirs, c.content); got != c.want || ambiguous != c.ambiguous {
			t.Errorf("%+v: %q %v", c, got, ambiguous)
		}
	}
}

func TestReferencesAreDrawnApart(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		ref, err := NewReference("H01.01-260115-0001", time.Time{})
		n, bad := Decode(ref)
		if err != nil || bad != nil || n < First || seen[ref] {
			t.Fatalf("%s %d %v %v", ref, n, err, bad)
		}
		seen[ref] = true
	}
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{"", "PHX22222223A4", "phx 2222 2223 a4", "PHXPHX22222223A4", "PHX22222223A4 PHX22222224J6", "đĐ\u0300PHX", "\xff\xfePHX22222223A4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		folded := Fold(s)
		if Fold(folded) != folded {
			t.Fatalf("%q folds to %q and then to %q", s, folded, Fold(folded))
		}
		for _, ref := range FindAll(s) {
			if _, err := Decode(ref); err != nil || !strings.Contains(folded, ref) {
				t.Fatalf("%q found in %q: %v", ref, s, err)
			}
		}
		if ref, ambiguous := Find(s); ref != "" && ambiguous {
			t.Fatalf("%q: both %s and ambiguous", s, ref)
		}
	})
}
