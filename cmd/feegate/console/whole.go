package console

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A list that goes on over pages is whole in its file. The file follows the page's own link to the next one, so that each page is made by its own handler,
// for the same person, by the same filter. On a page, the table of the list is marked data-list; the link has rel="next" and begins with "?".
const (
	fileRows  = 200      // rows of a page that is made for a file: what every room gives at once
	mostRows  = 50_000   // rows of a list in one file
	mostBytes = 16 << 20 // of text in them: messages as received are as long as their senders like
)

// limits are how much of a list a file holds: the page that passes one of them is its last.
type limits struct{ rows, bytes int }

// rows is how many rows of a list a page holds.
func (v *visit) rows() int {
	if v.as() != "" {
		return fileRows
	}
	return pageSize
}

// sheetOf is what a file holds of a page: its tables, and where the list goes on, "" at its end.
type sheetOf struct {
	tables []table
	next   string
}

// list is the place of the list among the tables, -1 where there is none.
func (s *sheetOf) list() int {
	return slices.IndexFunc(s.tables, func(t table) bool { return t.list })
}

// readPage reads a page's tables, each under the heading that stands before it, and its link to the next page of a list.
func readPage(body []byte) (*sheetOf, error) {
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("reading a page for its file: %w", err)
	}
	out := &sheetOf{}
	heading := ""
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.ElementNode {
			switch n.DataAtom {
			case atom.H1, atom.H2, atom.H3:
				heading = shown(n)
			case atom.A:
				if to := attribute(n, "href"); attribute(n, "rel") == "next" && strings.HasPrefix(to, "?") {
					out.next = to
				}
			case atom.Table:
				if t := (table{Name: heading, Rows: rowsOf(n), list: marked(n, "data-list")}); len(t.Rows) > 1 {
					out.tables = append(out.tables, t)
				}
				return
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(root)
	return out, nil
}

func marked(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// wholeList puts behind the list of a page what the pages behind it show, to its end or until it has all that a file may hold, which its last row then says with where it goes
// on: cut gives that row. at gives the page of a query.
func wholeList(body []byte, most limits, cut func(rows int, query string) string, at func(query string) ([]byte, error)) ([]table, error) {
	s, err := readPage(body)
	if err != nil {
		return nil, err
	}
	n, size := s.list(), 0
	if n >= 0 {
		size = long(s.tables[n].Rows)
	}
	for next := s.next; next != "" && n >= 0; {
		list := &s.tables[n]
		if len(list.Rows) > most.rows || size > most.bytes { // its head is one of the rows
			list.Rows = append(list.Rows, []any{cut(len(list.Rows)-1, next)})
			break
		}
		body, err := at(next)
		if err != nil {
			return nil, err
		}
		p, err := readPage(body)
		if err != nil {
			return nil, err
		}
		m := p.list()
		if m < 0 { // nothing is behind a page that was just full
			break
		}
		if p.next == next || !slices.Equal(p.tables[m].Rows[0], list.Rows[0]) {
			return nil, fmt.Errorf("the page %s does not go on with the list before it", next)
		}
		list.Rows, next = append(list.Rows, p.tables[m].Rows[1:]...), p.next
		size += long(p.tables[m].Rows[1:])
	}
	return s.tables, nil
}

// long is how many bytes of text rows hold.
func long(rows [][]any) (n int) {
	for _, row := range rows {
		for _, value := range row {
			n += len(plainText(value))
		}
	}
	return n
}

// nowhere is where a page goes that is made for a file alone.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

// taking is a query of the page with the kind of file that is asked for.
func (v *visit) taking(query string) string {
	q, err := url.ParseQuery(strings.TrimPrefix(query, "?"))
	if err != nil { // written by a page of ours, it can be read; what could be read of it leads nowhere else
		v.c.Log.Error("console", "path", v.r.URL.Path, "error", err)
	}
	q.Set("as", v.as())
	return q.Encode()
}

// page makes another page of the same list for the same person.
func (v *visit) page(query string) ([]byte, error) {
	r := v.r.Clone(v.r.Context())
	r.URL.RawQuery = v.taking(query)
	next := &visit{c: v.c, w: nowhere{http.Header{}}, r: r, session: v.session, token: v.token, names: v.names, in: v.in, handler: v.handler, part: new([]byte)}
	if err := v.handler(next); err != nil {
		return nil, err
	}
	if len(*next.part) == 0 {
		return nil, fmt.Errorf("the next page of %s is none", v.r.URL.Path)
	}
	return *next.part, nil
}

// offered puts the links to the files under a page that has tables, with what they hold.
func (v *visit) offered(body []byte) []byte {
	if v.r.Method != http.MethodGet || !bytes.Contains(body, []byte("<table")) {
		return body
	}
	q := v.r.URL.Query()
	says := text("Các bảng trên trang này:")
	if bytes.Contains(body, []byte(" data-list")) {
		says = "Cả danh sách theo bộ lọc này, mọi trang:"
		for _, name := range []string{"after", "before", "select"} { // from its beginning
			q.Del(name)
		}
	}
	link := func(as string) string {
		q.Del("done")
		q.Del("tour")
		q.Set("as", as)
		return template.HTMLEscapeString(v.r.URL.EscapedPath() + "?" + q.Encode())
	}
	foot := []byte(`<footer class="small">`)
	at := bytes.LastIndex(body, foot)
	if at < 0 {
		return body
	}
	links := `<p class="small screen taken">` + template.HTMLEscapeString(v.in.Say(says)) + ` <a href="` + link("csv") + `" download>CSV</a> · <a href="` + link("xlsx") + `" download>XLSX</a></p>` + "\n"
	return append(append(append([]byte{}, body[:at]...), links...), body[at:]...)
}
