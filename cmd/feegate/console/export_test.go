package console

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"feegate/cmd/feegate/page"
	"feegate/gateway/vnd"
)

// A page's tables are read as they are shown, their numbers as numbers; pictures, forms and what is for paper are left out.
func TestTablesOfAPage(t *testing.T) {
	page, err := readPage([]byte(`<html><body><h1>Danh sách</h1><table><thead><tr><th>Tên</th><th class="num">Tiền</th><th class="bars">x</th></tr></thead>
		<tbody><tr><td>=1+1</td><td class="num">1.250.000&nbsp;₫<form><button>Duyệt</button></form></td><td class="bars"><svg><title>y</title></svg></td></tr>
		<tr><td>A<br>B</td><td class="num">−11.000 ₫</td></tr><tr><td>7</td><td class="num">43,2&nbsp;%</td></tr><tr><td>n</td><td class="num">—</td></tr><tr class="on-paper"><td>nein</td></tr></tbody></table>
		<h2>Trống</h2><table><tr><th>Chỉ có đầu</th></tr></table></body></html>`))
	if err != nil {
		t.Fatal(err)
	}
	got := page.tables
	if len(got) != 1 || got[0].Name != "Danh sách" {
		t.Fatalf("%v", got)
	}
	want := `[[Tên Tiền] [=1+1 1250000] [A B -11000] [7 432] [n —]]`
	if s := fmt.Sprint(got[0].Rows); s != want {
		t.Errorf("%s, want %s", s, want)
	}
	if _, ok := got[0].Rows[3][0].(string); !ok {
		t.Error("a code of digits became a number")
	}
}

// What the pages write as money is read as the same amount.
func TestMoneyIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(-999_999_999_999, 999_999_999_999).Draw(t, "n")
		if got := valueOf(strings.Join(strings.Fields(page.Money(vnd.Signed(n))), " "), true); got != n {
			t.Fatalf("%d: %v", n, got)
		}
		if got := valueOf(count(n), true); got != n {
			t.Fatalf("%d as a count: %v", n, got)
		}
	})
}

func TestSheetNames(t *testing.T) {
	got := sheetNames([]table{{Name: "Theo cơ quan"}, {Name: "theo CƠ quan"}, {Name: "a/b[c]:*?'"}, {}, {Name: strings.Repeat("dài ", 20)}})
	seen := map[string]bool{}
	for _, n := range got {
		if n == "" || len([]rune(n)) > 31 || strings.ContainsAny(n, `[]:*?/\'`) || seen[strings.ToLower(n)] {
			t.Errorf("%q of %q", n, got)
		}
		seen[strings.ToLower(n)] = true
	}
}
