package vnpaysim

import (
	"encoding/json"
	"os"
	"testing"
)

type vectors struct {
	Credentials map[string]string `json:"credentials"`
	Cases       []struct {
		ID, Kind, Canonical, Signature, Query string
		Params                                map[string]string
	} `json:"cases"`
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSignaturesAgreeWithTheVectors(t *testing.T) {
	v := readVectors(t)
	secret := v.Credentials["hash_secret"]
	for _, c := range v.Cases {
		var data string
		switch c.Kind {
		case "checkout_url", "ipn", "return_url":
			data = canonical(c.Params)
		case "query_request":
			data = piped(queryRequest, c.Params)
		case "query_response":
			data = piped(queryResponse, c.Params)
		case "refund_request":
			data = piped(refundRequest, c.Params)
		case "refund_response":
			data = piped(refundResponse, c.Params)
		default:
			t.Fatalf("%s: kind %q", c.ID, c.Kind)
		}
		if data != c.Canonical {
			t.Errorf("%s: signs\n%s\nwant\n%s", c.ID, data, c.Canonical)
		}
		if got := mac(secret, data); got != c.Signature {
			t.Errorf("%s: signature %s, want %s", c.ID, got, c.Signature)
		}
		if c.Query != "" {
			if got := signedQuery(secret, c.Params); got != c.Query {
				t.Errorf("%s: query %s", c.ID, got)
			}
			params, ok := readQuery(c.Query)
			if !ok || canonical(params) != c.Canonical {
				t.Errorf("%s: reading the query back gives another text", c.ID)
			}
		}
	}
}

func TestQueryWithANameTwiceIsNotRead(t *testing.T) {
	if _, ok := readQuery("vnp_Amount=100&vnp_Amount=200"); ok {
		t.Error("vnp_Amount was read although it comes twice")
	}
}

func TestAmountsAreWholeDongTimesHundred(t *testing.T) {
	for text, want := range map[string]int64{"12500000": 125000, "100": 1} {
		if a, ok := wholeDong(text); !ok || int64(a) != want {
			t.Errorf("%s: %d %v", text, a, ok)
		}
	}
	for _, bad := range []string{"12500001", "150", "", "00", "-100", "1e200"} {
		if a, ok := wholeDong(bad); ok {
			t.Errorf("%s was read as %d", bad, a)
		}
	}
}
