package sim

import (
	"html/template"
	"net/http"
)

const stylePath = "/sim/page.css"

// Page is what a payer meets at a provider: one question, buttons, no script.
type Page struct {
	Lang     string // vi or en
	Provider string
	Title    string // the largest words on the page
	Lines    []PageLine
	Note     string
	Action   string            // where the buttons post to; "" = no buttons
	Hidden   map[string]string // travels with the choice
	Choices  []PageChoice
}

// PageLine is a word and its value.
type PageLine struct{ Name, Value string }

// PageChoice is one button.
type PageChoice struct {
	Value, Label string
	Main         bool
}

// Write sends the page. Browsers hold the redirects after a form to form-action as well, and the payer must get back to
// the merchant, wherever that is: so that one directive is open.
func (p Page) Write(rw http.ResponseWriter, status int) {
	h := rw.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' http: https:")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	t, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.WriteHeader(status)
	_ = t.Execute(rw, p)
}

const pageTemplate = `<!doctype html>
<html lang="{{.Lang}}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}} – {{.Provider}}</title><link rel="stylesheet" href="` + stylePath + `"></head>
<body><header><span class="brand">{{.Provider}}</span> <span class="tag">{{if eq .Lang "en"}}simulated, no real money{{else}}mô phỏng, không phải tiền thật{{end}}</span></header>
<main><h1>{{.Title}}</h1>
{{if .Lines}}<dl>{{range .Lines}}<div><dt>{{.Name}}</dt><dd>{{.Value}}</dd></div>{{end}}</dl>{{end}}
{{if .Note}}<p class="note">{{.Note}}</p>{{end}}
{{if .Action}}<form method="post" action="{{.Action}}">
{{range $k, $v := .Hidden}}<input type="hidden" name="{{$k}}" value="{{$v}}">{{end}}
{{range .Choices}}<button name="choice" value="{{.Value}}"{{if .Main}} class="main"{{end}}>{{.Label}}</button>
{{end}}</form>{{end}}
</main></body></html>
`

func serveStyle(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "text/css; charset=utf-8")
	rw.Header().Set("Cache-Control", "max-age=3600")
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = rw.Write([]byte(Style))
}

// Style is the look of every page of the simulator: the tokens of the gateway's own pages.
const Style = `:root{--ink:#1b1f24;--muted:#57606a;--line:#d0d7de;--ground:#fff;--soft:#f6f8fa;--primary:#0b5cad;--on-primary:#fff;--good:#116329;--warn:#7a4b00;--warn-ground:#fff4d6;--bad:#a40e26}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--muted:#9da7b1;--line:#3d444d;--ground:#0d1117;--soft:#161b22;--primary:#6cb0f5;--on-primary:#0d1117;--good:#56d364;--warn:#e3b341;--warn-ground:#2d2200;--bad:#ff8182}}
*{box-sizing:border-box}
body{margin:0;font:18px/1.5 system-ui,"Segoe UI",Roboto,"Noto Sans",sans-serif;color:var(--ink);background:var(--soft)}
header{padding:8px 16px;border-bottom:1px solid var(--line);background:var(--ground)}
header nav{display:inline-block}header nav a{margin-left:16px;white-space:nowrap}
.brand{font-weight:700}.tag{color:var(--muted);font-size:14px}
main{max-width:40rem;margin:0 auto;padding:16px}main.wide{max-width:64rem}
h1{font-size:28px;line-height:1.25;margin:16px 0}h2{font-size:21px;margin:32px 0 8px}
dl{margin:0 0 16px;border-top:1px solid var(--line)}
dl div{display:flex;flex-wrap:wrap;gap:4px 16px;justify-content:space-between;padding:8px 0;border-bottom:1px solid var(--line)}
dt{color:var(--muted)}dd{margin:0;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
a{color:var(--primary)}.note{color:var(--warn);background:var(--warn-ground);padding:8px 16px}.muted{color:var(--muted);font-size:16px}
label{display:block;margin:16px 0 4px;font-weight:600}label.tick{font-weight:400;min-height:44px;display:flex;gap:8px;align-items:center;margin:0}
input,select{font:inherit;color:inherit;background:var(--ground);border:1px solid var(--muted);padding:8px;min-height:44px;width:100%;max-width:100%}
input[type=checkbox]{width:24px;min-height:24px;flex:none}
button,.button{font:inherit;display:block;width:100%;min-height:48px;margin:8px 0;padding:8px 16px;border:1px solid var(--primary);background:var(--ground);color:var(--primary);text-align:center;text-decoration:none;cursor:pointer}
button.main,.button.main{background:var(--primary);color:var(--on-primary);font-weight:700}
.row{display:flex;flex-wrap:wrap;gap:8px}.row form{flex:1 1 12rem}
:focus-visible{outline:3px solid #ffbf47;outline-offset:0;box-shadow:inset 0 0 0 2px var(--ink)}
table{border-collapse:collapse;width:100%;background:var(--ground)}th,td{text-align:left;padding:8px;border-bottom:1px solid var(--line);vertical-align:top}
td.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.good{color:var(--good)}.bad{color:var(--bad)}.wait{color:var(--warn)}
@media (max-width:640px){thead{display:none}tr{display:block;border-bottom:2px solid var(--line);padding:8px 0}td,td.num{display:flex;justify-content:space-between;gap:16px;border:0;text-align:right;white-space:normal}td::before{content:attr(data-name);white-space:nowrap;color:var(--muted);text-align:left}}
`
