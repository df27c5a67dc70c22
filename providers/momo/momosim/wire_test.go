package momosim

import (
	"encoding/json"
	"os"
	"testing"
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
	orders := map[string]string{"create_request": createOrder, "ipn": resultOrder, "redirect": resultOrder, "query_request": queryOrder,
		"refund_query_request": queryOrder, "refund_request": refundOrder}
	tried := 0
	for _, c := range v.Cases {
		order, ok := orders[c.Kind]
		if !ok {
			continue // confirm: autoCapture=false is not played
		}
		tried++
		text := raw(order, v.Credentials["accessKey"], c.Params)
		if text != c.Canonical {
			t.Errorf("%s: signs\n%s\nwant\n%s", c.ID, text, c.Canonical)
		}
		if got := sign(v.Credentials["secretKey"], text); got != c.Signature {
			t.Errorf("%s: signature %s, want %s", c.ID, got, c.Signature)
		}
	}
	if tried < 20 {
		t.Errorf("only %d vectors were tried", tried)
	}
}

func TestMessagesKeepTheirDigitsAndNames(t *testing.T) {
	m, err := readMessage([]byte(`{"transId":4088878653000000123,"amount":"125000","a":null,"o":{"x":1},"b":true}`))
	if err != nil || m["transId"] != "4088878653000000123" || m["amount"] != "125000" || m["b"] != "true" {
		t.Errorf("%v %v", m, err)
	}
	for _, bad := range []string{`[]`, `{"a":1,"a":2}`, `{"a":1}{}`, `{"a":`, ``} {
		if m, err := readMessage([]byte(bad)); err == nil {
			t.Errorf("%s was read as %v", bad, m)
		}
	}
}
