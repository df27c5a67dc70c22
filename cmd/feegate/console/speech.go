package console

import (
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"feegate/cmd/feegate/page"
	"feegate/reconciliation"
)

// text is a sentence of the console's own, in Vietnamese; messages.en.json has each of them in English.
type text = page.Text

// languages that the console speaks; the first is the one that it begins with.
var languages = []string{"vi", "en"}

// languageCookie keeps what somebody chose with ?lang=.
const languageCookie = "feegate_console_lang"

// speech is the console in one language. What the rooms say to programs, which people are shown where nothing better stands, is English.
type speech struct{ *page.Tongue }

func (t speech) english() bool { return t.Code == "en" }

// plain takes out the marks that the same sentence has in the documentation.
var plain = strings.NewReplacer("`", "")

// guide is what people are told about a kind of discrepancy.
func (t speech) guide(kind string) reconciliation.Guide {
	g := reconciliation.GuideTo(kind)
	if t.english() {
		g.Name, g.Means, g.Usual = g.English, g.MeansEN, g.UsualEN
		g.Means, g.Usual = plain.Replace(g.Means), plain.Replace(g.Usual)
	}
	return g
}

// either chooses between the two languages in which a room says something itself.
func (t speech) either(vi, en string) string {
	if t.english() {
		return en
	}
	return vi
}

// other is the language that the page is not in.
func (t speech) other() string { return t.either("en", "vi") }

// heads are the headings of a file's columns.
func (t speech) heads(vi ...text) []string {
	out := make([]string, len(vi))
	for i, h := range vi {
		out[i] = t.Say(h)
	}
	return out
}

// speak reads the templates once for each language.
func (c *Console) speak() error {
	c.tongues = map[string]speech{languages[0]: {&page.Tongue{Code: languages[0]}}}
	raw, err := files.ReadFile("messages.en.json")
	if err != nil {
		return err
	}
	english, err := page.ReadTongue("en", raw)
	if err != nil {
		return err
	}
	c.tongues["en"] = speech{english}
	names, err := fs.Glob(files, "*.html")
	if err != nil {
		return err
	}
	for lang, in := range c.tongues {
		layout := template.New("").Funcs(c.words(in))
		c.pages[lang] = map[string]*template.Template{}
		for _, name := range append([]string{"layout.html"}, names...) {
			set := layout
			if name != "layout.html" {
				if set, err = layout.Clone(); err != nil {
					return err
				}
			}
			source, err := files.ReadFile(name)
			if err == nil {
				err = in.Speak(set, name, string(source))
			}
			if err != nil {
				return fmt.Errorf("the page %s in %s: %w", name, lang, err)
			}
			if name != "layout.html" {
				in.Hear(set)
				c.pages[lang][strings.TrimSuffix(name, ".html")] = set
			}
		}
	}
	return nil
}

// language is what somebody has chosen to read.
func language(r *http.Request) string {
	if k, err := r.Cookie(languageCookie); err == nil && k.Value == "en" {
		return "en"
	}
	return languages[0]
}

// visit is a request, in its language.
func (c *Console) visit(w http.ResponseWriter, r *http.Request) *visit {
	return &visit{c: c, w: w, r: r, in: c.tongues[language(r)], names: map[string]string{}}
}

// turned keeps the language that an address asks for, and leads to the same page without it.
func (v *visit) turned() bool {
	q := v.r.URL.Query()
	lang := q.Get("lang")
	if _, known := v.c.tongues[lang]; !known {
		return false
	}
	http.SetCookie(v.w, &http.Cookie{Name: languageCookie, Value: lang, Path: "/console", MaxAge: 365 * 24 * 3600, HttpOnly: true, Secure: v.c.secure(), SameSite: http.SameSiteLaxMode})
	q.Del("lang")
	to := v.r.URL.EscapedPath()
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return true
}

// asked is the page that a form was sent from, or stands nearest to it: the form's own address, or the first above it that is a page.
func (v *visit) asked() string {
	_, pattern, _ := strings.Cut(v.r.Pattern, " ")
	for at := v.r.URL.EscapedPath(); strings.HasPrefix(pattern, "/console/") && strings.Contains(at, "/"); {
		if _, page := v.c.routes["GET "+pattern]; page {
			return at
		}
		pattern, at = pattern[:strings.LastIndex(pattern, "/")], at[:strings.LastIndex(at, "/")]
	}
	return "/console"
}

// other is the address of the page in the other language; what a form has answered leads to the page of the form. What came
// back from the provider of identities is heard once, and leads to the first page.
func (v *visit) other() template.URL {
	to, q := v.asked(), v.r.URL.Query()
	if v.r.Method == http.MethodGet && !strings.HasPrefix(v.r.URL.Path, outsidePath) {
		to = v.r.URL.EscapedPath()
		q.Del("done")
		q.Del("as")
	} else {
		q = map[string][]string{}
	}
	q.Set("lang", v.in.other())
	return template.URL(to + "?" + q.Encode()) // escaped values alone
}
