package vnd

import (
	"encoding/json"
	"testing"
)

func TestAmountJSONIsDigitsOnly(t *testing.T) {
	for _, bad := range []string{`0.5`, `5e4`, `5.0`, `-1`, `"5"`, `1000000000000`, `10000000000000000`, `01`, `null `, `+1`, ``} {
		var a Amount
		if err := json.Unmarshal([]byte(bad), &a); err == nil && bad != `null ` {
			t.Errorf("%s was read as %d", bad, a)
		}
	}
	for text, want := range map[string]Amount{"0": 0, "1": 1, "999999999999": Max} {
		var a Amount
		if err := json.Unmarshal([]byte(text), &a); err != nil || a != want {
			t.Errorf("%s: %d, %v", text, a, err)
		}
		if out, _ := json.Marshal(a); string(out) != text {
			t.Errorf("%s written as %s", text, out)
		}
	}
	if _, err := json.Marshal(Max + 1); err == nil {
		t.Error("an amount above the limit was written")
	}
}

func TestFormatIsVietnamese(t *testing.T) {
	for n, want := range map[Signed]string{0: "0 ₫", 999: "999 ₫", 1000: "1.000 ₫", 1250000: "1.250.000 ₫", -120000: "−120.000 ₫"} {
		if got := n.Format(); got != want {
			t.Errorf("%d: %q, want %q", int64(n), got, want)
		}
	}
}

func TestTariffRoundsHalfUpAndIsBounded(t *testing.T) {
	for _, c := range []struct {
		t       Tariff
		a, want Amount
	}{
		{Tariff{BPS: 110}, 120000, 1320}, {Tariff{BPS: 110}, 50, 1}, {Tariff{BPS: 110}, 45, 0}, {Tariff{BPS: 100}, 50, 1},
		{Tariff{BPS: 110, Fixed: 1000}, 100000, 2100}, {Tariff{BPS: 110, Min: 500}, 1000, 500}, {Tariff{BPS: 110, Max: 5000}, 1000000, 5000},
	} {
		if got := c.t.Fee(c.a); got != c.want {
			t.Errorf("%+v of %d: %d, want %d", c.t, c.a, got, c.want)
		}
	}
}
