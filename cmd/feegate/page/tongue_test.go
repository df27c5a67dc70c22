package page

import (
	"bytes"
	"html/template"
	"slices"
	"strings"
	"testing"
)

const sample = `{{define "x"}}<h1 title="Tên {{.Name}}">Ngày {{date .Day}} đã {{if .Closed}}khóa{{else}}mở{{end}}</h1>
<p data-name="Ai" class="a {{if eq .Name "b"}}c{{end}}">{{with .Text}}<b>{{.}}</b>{{end}}, hạn {{.Due}} của {{.Name}}
  và hết.</p>&nbsp;{{/* không dịch */}}<input value="Giữ" placeholder="Tìm"><i data-say-drop="Thả">{{.Text}}</i> 12 {{$n := 3}}{{$n}}{{end}}`

func TestMessages(t *testing.T) {
	want := []string{"Tên {1}", "Ngày {1} đã", "khóa", "mở", "Ai", ", hạn {1} của {2} và hết.", "Tìm", "Thả"}
	if got := Messages(sample); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestAPageInAnotherLanguage(t *testing.T) {
	in, err := ReadTongue("en", []byte(`{"Ngày {1} đã": "Day {1} is", "khóa": "closed", "Ai": "Who", ", hạn {1} của {2} và hết.": ": {2}'s limit is {1}.", "Tìm": "Find", "Thả": "Drop", "Tên {1}": "Name {1}", "Xong": "Done"}`))
	if err != nil {
		t.Fatal(err)
	}
	set := template.New("").Funcs(template.FuncMap{"date": func(s string) string { return s }})
	if err := in.Speak(set, "sample", sample); err != nil {
		t.Fatal(err)
	}
	in.Hear(set)
	var b bytes.Buffer
	data := map[string]any{"Name": "Xong", "Day": "<3>", "Closed": true, "Text": Text("Xong"), "Due": "5", "None": nil}
	if err := set.ExecuteTemplate(&b, "x", data); err != nil {
		t.Fatal(err)
	}
	want := `<h1 title="Name Xong">Day &lt;3&gt; is closed</h1>
<p data-name="Who" class="a "><b>Done</b>: Xong's limit is 5.</p>&nbsp;<input value="Giữ" placeholder="Find"><i data-say-drop="Drop">Done</i> 12 3`
	if b.String() != want {
		t.Errorf("%s", b.String())
	}
}

func TestAHeading(t *testing.T) {
	in, err := ReadTongue("en", []byte(`{"Nhà": "House", "# Nhà": "Houses"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := rewrite(`<h1 id="x">Nhà</h1><p>Nhà <b>Nhà</b></p>`, in.translate); got != `<h1 id="x">Houses</h1><p>House <b>House</b></p>` {
		t.Error(got)
	}
	if in.Head("Nhà") != "Houses" || in.Head("Cửa") != "Cửa" {
		t.Error(in.Head("Nhà"))
	}
}

func TestACatalogueIsHeldToItsForm(t *testing.T) {
	for _, raw := range []string{`{"a": "b", "a": "c"}`, `{"a": 1}`, `{"a": "b"`, `x`} {
		if _, err := ReadTongue("en", []byte(raw)); err == nil {
			t.Errorf("%s is a catalogue", raw)
		}
	}
	in, err := ReadTongue("en", []byte(`{"còn %d ngày, %s": "%[2]s, %[1]d days"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := in.Sayf("còn %d ngày, %s", 3, Text("nhà")); got != "nhà, 3 days" {
		t.Error(got)
	}
	vietnamese := &Tongue{Code: "vi"}
	if got := vietnamese.Sayf("còn %d ngày, %s", 3, "nhà"); got != "còn 3 ngày, nhà" {
		t.Error(got)
	}
}

// Whatever a source holds, a language without sentences leaves it to the letter but for the blanks within a sentence.
func FuzzRewrite(f *testing.F) {
	f.Add(sample)
	f.Add(`<a title="{{if eq .X ">"}}b{{end}}">{{"}}"}} chữ {</a`)
	f.Fuzz(func(t *testing.T, source string) {
		got := rewrite(source, func(s string, _ bool) string { return s })
		if strings.Join(strings.Fields(got), "") != strings.Join(strings.Fields(source), "") {
			t.Errorf("%q became %q", source, got)
		}
	})
}

// An action's own braces are not holes, and a text with a brace is left alone.
func TestBraces(t *testing.T) {
	turn := func(s string, _ bool) string { return strings.ReplaceAll(s, "a", "b") }
	for source, want := range map[string]string{`{{x "{2}"}} a {{y}}`: `{{x "{2}"}} b {{y}}`, `a {1} {{x}}`: `a {1} {{x}}`} {
		if got := rewrite(source, turn); got != want {
			t.Errorf("%q became %q", source, got)
		}
	}
}
