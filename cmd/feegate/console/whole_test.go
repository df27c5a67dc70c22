package console

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

// pageOf is a page of a list from a number on, with so many rows, and another table before it.
func pageOf(from, rows int, next string) []byte {
	var b strings.Builder
	b.WriteString(`<h1>A</h1><table><tr><th>x</th></tr><tr><td>y</td></tr></table><table data-list><tr><th>n</th></tr>`)
	for i := range rows {
		fmt.Fprintf(&b, `<tr><td class="num">%d</td></tr>`, from+i)
	}
	b.WriteString(`</table><p><a rel="next" href="/console/days/2026-03-11">a day later</a></p>`)
	if next != "" {
		b.WriteString(`<a rel="next" href="` + next + `">on</a>`)
	}
	return []byte(b.String())
}

// A list is followed to its end; one that is longer than a file says in its last row where it was cut and how to go on.
func TestAListGoesOn(t *testing.T) {
	at := func(query string) ([]byte, error) {
		switch query {
		case "?after=3":
			return pageOf(4, 3, "?after=6"), nil
		case "?after=6":
			return pageOf(7, 1, ""), nil
		case "?after=full":
			return []byte(`<h1>A</h1><p>nothing</p>`), nil
		case "?after=ring":
			return pageOf(4, 3, "?after=ring"), nil
		case "?after=other":
			return []byte(`<table data-list><tr><th>other</th></tr><tr><td>1</td></tr></table>`), nil
		}
		return nil, fmt.Errorf("no page %s", query)
	}
	cut := func(rows int, query string) string {
		return vietnamese.Sayf("Tệp dừng ở %s dòng. Phần còn lại: %s", count(rows), "http://x/y"+query+"&as=csv")
	}
	for _, c := range []struct {
		next string
		most int
		want string
	}{
		{"?after=3", 100, "[[n] [1] [2] [3] [4] [5] [6] [7]]"},
		{"", 100, "[[n] [1] [2] [3]]"},
		{"?after=full", 100, "[[n] [1] [2] [3]]"},
		{"?after=3", 6, "[[n] [1] [2] [3] [4] [5] [6] [Tệp dừng ở 6 dòng. Phần còn lại: http://x/y?after=6&as=csv]]"},
		{"?after=3", 3, "[[n] [1] [2] [3] [Tệp dừng ở 3 dòng. Phần còn lại: http://x/y?after=3&as=csv]]"},
		{"?after=3", 7, "[[n] [1] [2] [3] [4] [5] [6] [7]]"},
	} {
		got, err := wholeList(pageOf(1, 3, c.next), limits{rows: c.most, bytes: 1000}, cut, at)
		if err != nil || len(got) != 2 || fmt.Sprint(got[1].Rows) != c.want || fmt.Sprint(got[0].Rows) != "[[x] [y]]" {
			t.Errorf("from %q, at most %d: %v %v, want %s", c.next, c.most, got, err, c.want)
		}
	}
	// Long rows end a file before many do: somebody who sends long messages must not fill the memory of who takes them home.
	pages, text := 0, strings.Repeat("x", 1000)
	long := func(string) ([]byte, error) {
		pages++
		return []byte(fmt.Sprintf(`<table data-list><tr><th>n</th></tr><tr><td>%s</td></tr><tr><td>%s</td></tr></table><a rel="next" href="?after=%d">on</a>`, text, text, pages)), nil
	}
	got, err := wholeList(pageOf(1, 3, "?after=0"), limits{rows: 1000, bytes: 5000}, cut, long)
	if err != nil || pages != 3 || len(got) != 2 || len(got[1].Rows) != 11 || !strings.HasPrefix(fmt.Sprint(got[1].Rows[10]), "[Tệp dừng ở 9 dòng. Phần còn lại: http://x/y?after=3&") {
		t.Errorf("%d pages, %v %v", pages, got, err)
	}
	for _, next := range []string{"?after=ring", "?after=other", "?after=none"} {
		if got, err := wholeList(pageOf(1, 3, next), limits{rows: 100, bytes: 1000}, cut, at); err == nil {
			t.Errorf("%s: %v", next, got)
		}
	}
}

// Every page that leads to a next one says which table goes on there.
func TestEveryListThatGoesOnIsMarked(t *testing.T) {
	pages, err := fs.Glob(files, "*.html")
	if err != nil {
		t.Fatal(err)
	}
	on, marked := regexp.MustCompile(`\{\{with [$.A-Za-z]*\.Next\}\}<p[^>]*><a href="\{\{\.\}\}"`), 0
	for _, page := range pages {
		raw, err := fs.ReadFile(files, page)
		if err != nil {
			t.Fatal(err)
		}
		text := string(raw)
		goes, lists, links := len(on.FindAllString(text, -1)), strings.Count(text, " data-list>"), strings.Count(text, `<a href="{{.}}" rel="next">`)
		if goes != lists || goes != links {
			t.Errorf("%s: %d lists go on, %d are marked, by %d links", page, goes, lists, links)
		}
		marked += lists
	}
	if marked < 11 {
		t.Errorf("%d lists go on", marked)
	}
}
