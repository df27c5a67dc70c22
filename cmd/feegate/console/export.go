package console

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"feegate/gateway"
	"feegate/reconciliation/document"
)

// Every page with tables can be taken home as what it shows: one sheet for each table, its numbers as numbers, a list to its end. It is read from the
// pages themselves, so that it never shows more than they did, nor to anybody else.

// taken are the kinds of file, by ?as=.
var taken = map[string]string{"csv": "text/csv; charset=utf-8", "xlsx": xlsxKind.mime}

// table is one of a page's, as it was shown.
type table struct {
	Name string
	Rows [][]any // texts, whole numbers, and shares
	list bool    // goes on over pages
}

// share is a percentage with the decimals that were shown, as thousandths of one: 43,2 % is 432.
type share int64

// take sends what a page shows as a file.
func (v *visit) take(as, name, title string, body []byte) error {
	// One at a time: a whole list and its workbook are in memory until they are sent.
	select {
	case v.c.filing <- struct{}{}:
		defer func() { <-v.c.filing }()
	case <-v.r.Context().Done():
		return fmt.Errorf("waiting to make the file of %s: %w", v.r.URL.Path, v.r.Context().Err())
	}
	tables, err := wholeList(body, limits{mostRows, mostBytes}, func(rows int, query string) string {
		return v.in.Sayf("Tệp dừng ở %s dòng. Phần còn lại: %s", count(rows), v.c.PublicURL+v.r.URL.EscapedPath()+"?"+v.taking(query))
	}, v.page)
	if err != nil {
		return err
	}
	if len(tables) == 0 {
		return &gateway.Problem{Name: gateway.ProblemNotFound}
	}
	file := "feegate-" + name + "-" + v.c.Now().In(vietnam).Format("20060102-1504") + "." + as
	if as == "csv" {
		var b bytes.Buffer
		w := newSheet(&b)
		for n, t := range tables {
			if n > 0 {
				_ = w.Write([]string{}) // a buffer takes all
			}
			if len(tables) > 1 {
				_ = w.Write([]string{t.Name})
			}
			for _, row := range t.Rows {
				out := make([]string, len(row))
				for i, value := range row {
					out[i] = plainText(value)
				}
				_ = w.Write(out)
			}
		}
		w.Flush()
		return v.file(file, b.Bytes())
	}
	raw, err := v.workbook(title, tables)
	if err != nil {
		return err
	}
	return v.send(file, taken[as], raw)
}

// plainText writes a value for a CSV.
func plainText(value any) string {
	switch x := value.(type) {
	case int64:
		return strconv.FormatInt(x, 10)
	case share:
		return strconv.FormatInt(int64(x)/10, 10) + "," + strconv.FormatInt(int64(x)%10, 10) + " %"
	case string:
		return x
	}
	return ""
}

// workbook writes a sheet for each table.
func (v *visit) workbook(title string, tables []table) ([]byte, error) {
	names := sheetNames(tables)
	b := document.NewBook(names...)
	defer b.Close()
	percent := b.Share()
	for n, t := range tables {
		widths := map[int]int{}
		for r, row := range t.Rows {
			for c, value := range row {
				style := b.Plain
				switch x := value.(type) {
				case int64:
					style = b.Money
				case share:
					value, style = float64(x)/1000, percent
				}
				if r == 0 {
					style = b.Head
				}
				b.Put(names[n], c+1, r+1, value, style)
				widths[c] = max(widths[c], min(60, utf8.RuneCountInString(plainText(row[c]))+3))
			}
		}
		for c, width := range widths {
			letter := strings.TrimRight(document.Cell(c+1, 1), "1")
			b.Do(b.File.SetColWidth(names[n], letter, letter, float64(width)))
		}
		b.Print(names[n], false, "feegate")
	}
	return b.Bytes(title, v.c.Now())
}

var unsheetly = regexp.MustCompile(`[\[\]:*?/\\']+`)

// sheetNames makes names that a workbook takes: 31 characters, no two alike whatever their case.
func sheetNames(tables []table) (out []string) {
	used := map[string]bool{}
	for n, t := range tables {
		name := strings.TrimSpace(unsheetly.ReplaceAllString(t.Name, " "))
		if name == "" {
			name = "Bảng"
		}
		short := []rune(name)
		if len(short) > 25 {
			short = short[:25]
		}
		name = strings.TrimSpace(string(short))
		if used[strings.ToLower(name)] {
			name += " " + strconv.Itoa(n+1)
		}
		used[strings.ToLower(name)] = true
		out = append(out, name)
	}
	return out
}

func has(n *html.Node, class string) bool {
	for _, a := range n.Attr {
		if a.Key == "class" {
			for _, c := range strings.Fields(a.Val) {
				if c == class {
					return true
				}
			}
		}
	}
	return false
}

// rowsOf reads a table's rows; columns that are pictures or boxes to tick, and what is for paper alone, are left out.
func rowsOf(n *html.Node) (rows [][]any) {
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.ElementNode && n.DataAtom == atom.Tr {
			if has(n, "on-paper") {
				return
			}
			row := []any{}
			for c := n.FirstChild; c != nil; c = c.NextSibling {
				if c.Type == html.ElementNode && (c.DataAtom == atom.Td || c.DataAtom == atom.Th) && !has(c, "bars") && !has(c, "pick") {
					row = append(row, valueOf(shown(c), has(c, "num") && c.DataAtom == atom.Td))
				}
			}
			rows = append(rows, row)
			return
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return rows
}

// shown is the text that an element shows: without forms and pictures.
func shown(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		switch {
		case n.Type == html.TextNode:
			b.WriteString(n.Data)
		case n.Type == html.ElementNode && n.DataAtom == atom.A && has(n, "screen"): // a way to go, no text
			return
		case n.Type == html.ElementNode && (n.DataAtom == atom.Form || n.DataAtom == atom.Details || n.DataAtom == atom.Button || n.DataAtom == atom.Svg):
			return
		case n.Type == html.ElementNode && (n.DataAtom == atom.Br || n.DataAtom == atom.Div || n.DataAtom == atom.P || n.DataAtom == atom.Li):
			b.WriteString(" ")
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return strings.Join(strings.Fields(b.String()), " ")
}

var (
	whole   = regexp.MustCompile(`^[-−]?\d{1,3}(\.\d{3})*( ₫)?$|^[-−]?\d+( ₫)?$`)
	hundred = regexp.MustCompile(`^(\d{1,3}),(\d) %$`)
)

// valueOf is what a cell holds: in a column of numbers 1.250.000 ₫ is a number, and 43,2 % a share.
func valueOf(text string, number bool) any {
	if !number {
		return text
	}
	if m := hundred.FindStringSubmatch(text); m != nil {
		n, _ := strconv.ParseInt(m[1]+m[2], 10, 64) // four digits
		return share(n)
	}
	if whole.MatchString(text) {
		digits := strings.NewReplacer(".", "", " ₫", "", "−", "-").Replace(text)
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
			return n
		}
	}
	return text
}

// as is the file that is asked for instead of the page, "" for the page.
func (v *visit) as() string {
	if v.r.Method != http.MethodGet {
		return ""
	}
	as := v.r.URL.Query().Get("as")
	if _, ok := taken[as]; !ok {
		return ""
	}
	return as
}
