package zalopaysim

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

func TestSignaturesAgreeWithTheVectors(t *testing.T) {
	file, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Credentials map[string]string `json:"credentials"`
		Cases       []struct {
			ID, Kind, Canonical, Signature string
			Params                         map[string]string
		} `json:"cases"`
	}
	if err := json.Unmarshal(file, &v); err != nil {
		t.Fatal(err)
	}
	orders := map[string]string{"create": createOrder, "query": queryOrder, "cancel": queryOrder, "refund": refundOrder, "query_refund": refundQueryOrder,
		"redirect": redirectOrder}
	for _, c := range v.Cases {
		key, text := v.Credentials["key1"], piped(orders[c.Kind], v.Credentials["key1"], c.Params)
		switch c.Kind {
		case "callback":
			key, text = v.Credentials["key2"], c.Params["data"]
		case "redirect":
			key = v.Credentials["key2"]
		}
		if text != c.Canonical {
			t.Errorf("%s: signs\n%s\nwant\n%s", c.ID, text, c.Canonical)
		}
		if got := mac(key, text); got != c.Signature {
			t.Errorf("%s: %s, want %s", c.ID, got, c.Signature)
		}
	}
	if len(v.Cases) < 13 {
		t.Errorf("only %d vectors", len(v.Cases))
	}
}

func TestAFormWithANameTwiceIsNotRead(t *testing.T) {
	if form, ok := readForm([]byte("a=1&b=%2B+%E1%BB%87")); !ok || form["b"] != "+ ệ" {
		t.Errorf("%v", form)
	}
	for _, bad := range []string{"a=1&a=1", "a=%zz"} {
		if form, ok := readForm([]byte(bad)); ok {
			t.Errorf("%s was read as %v", bad, form)
		}
	}
}

func TestTimesAreHeldToAQuarterOfAnHour(t *testing.T) {
	now := time.UnixMilli(1772701200000)
	for text, want := range map[string]bool{"1772701200000": true, "1772700300000": true, "1772700299999": false, "1772702100001": false, "1772701200": false, "": false} {
		if millis(text, now) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
}
