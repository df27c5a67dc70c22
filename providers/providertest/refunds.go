package providertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"feegate/providers"
)

// checkRefundTwice holds whoever can pay back to the one thing that must never happen: paying back twice.
func checkRefundTwice(t T, s Subject) {
	w, stop := newWorld(t, s, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	if _, can := w.p.(providers.Refunder); !can {
		return
	}
	if !slices.Contains(s.Calls, Refund) || !slices.Contains(s.Calls, RefundLookup) {
		t.Errorf("the provider can pay back, and its subject does not say how it answers to that")
		return
	}
	first := w.sends(Refund, false)
	if len(first) != 1 {
		t.Errorf("one refund is sent by %d requests", len(first))
		return
	}
	checkSameRefund(t, s, first[0])
	// Whatever it finds, a look-up asks: it neither sends the refund again nor makes another of it.
	for _, ch := range append(channelsVia(s, RefundLookup), "") {
		for _, code := range append(slices.Clone(s.Channels[ch].Known), s.Channels[ch].Unknown) {
			asks, stopAsks := newWorld(t, s, saying(s, Say{Channel: ch, Code: code}), 0)
			for _, r := range asks.sends(RefundLookup, true) {
				if shape(r) == shape(first[0]) {
					t.Errorf("a look-up, answered %s %s, sends a refund: %q", ch, code, r)
				}
			}
			stopAsks()
		}
	}
	// The first sending may have gone through: what refuses the second as a request says nothing of the first.
	resent := false
	for name, ch := range s.Channels {
		resent = resent || ch.Via == Refund && ch.Resent
		if ch.Via != Refund || ch.Resent {
			continue
		}
		for _, code := range ch.Known {
			say := Say{Channel: name, Code: code}
			if !refusedCall(told(t, s, ch, say).word) {
				continue
			}
			if o := told(t, s, Channel{Via: Refund, Resent: true}, say); final(o.word) {
				t.Errorf("%s %s refuses a second sending, and the refund is taken for %s", name, code, o.word)
			}
		}
	}
	if !resent {
		t.Errorf("no channel tells what the codes of a second sending mean")
	}
}

// checkSameRefund sends once more, and once more a minute later: each time the refund has the id that it had.
func checkSameRefund(t T, s Subject, first []byte) {
	for name, later := range map[string]time.Duration{"at once": 0, "a minute later": time.Minute} {
		moved := s
		moved.Now = s.Now.Add(later)
		w, stop := newWorld(t, moved, nil, 0)
		again := w.sends(Refund, true)
		stop()
		switch {
		case len(again) != 1 || !bytes.Contains(again[0], []byte(s.Refund.Reference)) || !bytes.Contains(first, []byte(s.Refund.Reference)):
			t.Errorf("a second sending %s lacks the refund's own reference: %q", name, again)
		case later == 0 && !bytes.Equal(first, again[0]):
			t.Errorf("a second sending %s is not the first, byte for byte: %q, then %q", name, first, again[0])
		case shape(first) != shape(again[0]):
			t.Errorf("a second sending %s is another kind of request: %q, then %q", name, first, again[0])
		}
	}
}

// sends makes one call and gives the requests that it sent.
func (w *world) sends(via Via, resent bool) [][]byte {
	if w.p == nil {
		return nil
	}
	w.requests = nil
	w.do(via, resent)
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests)
}

// shape is which fields a request has: the same for two requests of one kind.
func shape(request []byte) string {
	var object map[string]json.RawMessage
	if json.Unmarshal(request, &object) == nil {
		return fmt.Sprint(slices.Sorted(maps.Keys(object)))
	}
	form, err := url.ParseQuery(string(request))
	if err != nil {
		return string(request)
	}
	return fmt.Sprint(slices.Sorted(maps.Keys(form)))
}

func channelsVia(s Subject, via Via) (names []string) {
	for name, ch := range s.Channels {
		if ch.Via == via {
			names = append(names, name)
		}
	}
	return names
}

// refusedCall: the provider did not take the request, as against refusing the refund.
func refusedCall(word string) bool {
	return word == wordOf(providers.Failed, providers.ReasonConfiguration) || word == "error:config" || word == "error:refused"
}

func final(word string) bool {
	outcome, _, _ := strings.Cut(word, "/")
	return providers.Outcome(outcome).Final() || word == "error:config" || word == "error:refused" || word == "error:not_sent"
}
