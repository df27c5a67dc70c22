package providertest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers"
)

func checkRepeatable(t T, s Subject) {
	w, stop := newWorld(t, s, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	ways := []Via{Checkout}
	if slices.Contains(s.Calls, Refund) {
		ways = append(ways, Refund)
	}
	for _, via := range ways {
		w.requests = nil
		first, second := w.do(via, false), w.do(via, true)
		if first.err != nil || second.err != nil || !reflect.DeepEqual(first.at, second.at) || (via == Checkout && first.at == providers.Redirect{}) {
			t.Errorf("%s: %v %v, again %v %v", via, first.at, first.err, second.at, second.err)
		}
		if len(w.requests) > 0 && (len(w.requests) != 2 || !bytes.Equal(w.requests[0], w.requests[1])) {
			t.Errorf("%s: a second sending is not the first, byte for byte: %q", via, w.requests)
		}
	}
}

func checkTimeout(t T, s Subject) {
	for _, via := range s.Calls {
		for name, body := range map[string]string{"no answer": "", "half an answer": `{"resultCode":0,`} {
			released := make(chan struct{})
			w, stop := newWorld(t, s, func(rw http.ResponseWriter, _ string, _ []byte) {
				if body != "" {
					rw.Header().Set("Content-Length", "1000")
					_, _ = rw.Write([]byte(body))
					rw.(http.Flusher).Flush()
				}
				<-released
			}, 200*time.Millisecond) // long enough to connect on a busy machine
			if w.p != nil {
				if o := w.do(via, false); o.word != "error:uncertain" {
					t.Errorf("%s, %s in time: %s (%v)", via, name, o.word, o.err)
				}
			}
			close(released)
			stop()
		}
	}
}

func checkNotSent(t T, s Subject) {
	for _, via := range s.Calls {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Errorf("%v", err)
			return
		}
		base := "http://" + l.Addr().String()
		_ = l.Close() // nobody listens there now
		w := &world{subject: s, p: build(t, s, base, 10*time.Second)}
		if w.p == nil {
			return
		}
		if o := w.do(via, false); o.word != "error:not_sent" {
			t.Errorf("%s where nobody listens: %s (%v)", via, o.word, o.err)
		}
	}
}

// garbage are answers that say nothing, each made from what would have been right.
func garbage(good []byte) map[string]func(http.ResponseWriter) {
	write := func(status int, kind string, b []byte) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = w.Write(b)
		}
	}
	twice := append(append([]byte{'{'}, bytes.TrimSuffix(bytes.TrimPrefix(good, []byte("{")), []byte("}"))...), ',')
	twice = append(twice, bytes.TrimPrefix(good, []byte("{"))...)
	return map[string]func(http.ResponseWriter){
		"an HTML page":               write(200, "text/html", []byte("<html><body>Bảo trì</body></html>")),
		"500 with a success in it":   write(500, "application/json", good),
		"502 of a proxy":             write(502, "text/html", []byte("<html>Bad Gateway</html>")),
		"truncated":                  write(200, "application/json", good[:len(good)-len(good)/3]),
		"nothing":                    write(200, "application/json", nil),
		"an array":                   write(200, "application/json", []byte("[]")),
		"an empty object":            write(200, "application/json", []byte("{}")),
		"null":                       write(200, "application/json", []byte("null")),
		"every name twice":           write(200, "application/json", twice),
		"something behind it":        write(200, "application/json", append(bytes.Clone(good), "{}"...)),
		"a redirect":                 func(w http.ResponseWriter) { w.Header().Set("Location", "/x"); w.WriteHeader(302) },
		"more than a megabyte":       write(200, "application/json", bytes.Repeat([]byte(" "), 2<<20)),
		"a success under status 404": write(404, "text/html", []byte("<html>not found</html>")),
	}
}

func checkGarbage(t T, s Subject) {
	for _, via := range s.Calls {
		for name := range garbage([]byte("{}")) {
			w, stop := newWorld(t, s, func(rw http.ResponseWriter, path string, request []byte) {
				_, good := s.Answer(s.Account.Credentials[0], path, request, Say{})
				garbage(good)[name](rw)
			}, 0)
			if w.p != nil {
				if o := w.do(via, false); o.word != "error:uncertain" {
					t.Errorf("%s answered by %s: %s (%v)", via, name, o.word, o.err)
				}
			}
			stop()
		}
	}
}

// checkSecrets makes everything fail and looks into what is said about it, and into what is sent.
func checkSecrets(t T, s Subject) {
	var secrets []string
	for name, v := range s.Account.Credentials[0] {
		if name != s.Registration.TerminalField {
			secrets = append(secrets, v)
		}
	}
	clean := func(what, text string) {
		for _, secret := range secrets {
			if secret != "" && strings.Contains(text, secret) {
				t.Errorf("a secret is in %s", what)
			}
		}
	}
	leak := strings.Join(secrets, " ")
	answers := map[string]handler{
		"the right answer": nil,
		"a page that repeats the secret": func(rw http.ResponseWriter, _ string, _ []byte) {
			_, _ = rw.Write([]byte("<html>" + leak + "</html>"))
		},
		"an error that repeats the secret": func(rw http.ResponseWriter, _ string, _ []byte) {
			rw.WriteHeader(500)
			_, _ = rw.Write([]byte(leak))
		},
		"JSON whose every field is the secret": func(rw http.ResponseWriter, _ string, _ []byte) {
			_, _ = fmt.Fprintf(rw, `{"message":%q,"resultCode":%q,"vnp_ResponseCode":%q,"code":%q}`, leak, leak, leak, leak)
		},
	}
	for name, h := range answers {
		w, stop := newWorld(t, s, h, 0)
		if w.p == nil {
			stop()
			return
		}
		for _, via := range append([]Via{Checkout}, s.Calls...) {
			o := w.do(via, false)
			if o.err != nil {
				clean(fmt.Sprintf("the error of %s after %s", via, name), fmt.Sprintf("%v %+v %#v", o.err, o.err, errors.Unwrap(o.err)))
			}
			clean("the redirect", o.at.URL+o.at.DeepLink+o.at.QRPayload)
		}
		for _, r := range w.requests {
			clean("a request", string(r))
		}
		good, fields := providers.Callback{}, []string{""}
		if !s.Lacks.Callbacks {
			good, fields = s.Callback(s.Account.Credentials[0], Say{}), append(fields, s.SignedFields...)
		}
		for _, f := range fields {
			c := good
			if f != "" {
				c = s.Tamper(good, f)
			}
			if o := verify(w.p, c); o.err != nil {
				clean("the error of a callback", o.err.Error())
			}
		}
		for _, v := range verdicts() {
			clean("an answer", string(w.p.Answer(providers.Result{Verdict: v}).Body))
		}
		stop()
	}
}

func checkPlan(t T, s Subject) {
	w, stop := newWorld(t, s, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	plans := map[string]providers.LookupPlan{"payment": w.p.LookupPlan()}
	if r, ok := w.p.(providers.Refunder); ok {
		plans["refund"] = r.RefundPlan()
	}
	for name, p := range plans {
		if p.MinInterval <= 0 {
			t.Errorf("%s: no minimum interval", name)
		}
		if len(p.Early)+len(p.AfterExpiry) == 0 {
			t.Errorf("%s: never asked after", name)
		}
		for _, times := range [][]time.Duration{p.Early, p.AfterExpiry} {
			for i, d := range times {
				if d <= 0 || d > 24*time.Hour || i > 0 && d <= times[i-1] {
					t.Errorf("%s: the times %v do not rise within a day", name, times)
				}
			}
		}
		if name == "payment" && (p.GiveUpAfter <= 0 || p.GiveUpAfter > 24*time.Hour || p.AfterReturn <= 0 || p.AfterDoubt <= 0) {
			t.Errorf("payment: %+v", p)
		}
	}
}

func verdicts() []providers.Verdict {
	return []providers.Verdict{providers.VerdictRecorded, providers.VerdictDuplicate, providers.VerdictUnknownPayment, providers.VerdictAmountMismatch,
		providers.VerdictForged, providers.VerdictMalformed, providers.VerdictWrongMethod, providers.VerdictFailed, providers.VerdictNothing, "of a later version"}
}

func checkAnswers(t T, s Subject) {
	w, stop := newWorld(t, s, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	reply := func(v providers.Verdict) string {
		r := w.p.Answer(providers.Result{Verdict: v})
		if r.Status < 200 || r.Status > 599 || (len(r.Body) > 0 && r.ContentType == "") || (r.Status == 204 && len(r.Body) > 0) {
			t.Errorf("%s: %d %q %q", v, r.Status, r.ContentType, r.Body)
		}
		return fmt.Sprintf("%d %s", r.Status, r.Body)
	}
	for _, v := range verdicts() {
		reply(v)
	}
	for _, v := range []providers.Verdict{providers.VerdictForged, providers.VerdictMalformed, providers.VerdictWrongMethod, providers.VerdictFailed, "of a later version"} {
		if reply(v) == reply(providers.VerdictRecorded) {
			t.Errorf("%s is answered as if it were recorded", v)
		}
	}
}

func readSettlement(p providers.Provider, file string) (lines []providers.SettlementLine, errs []error) {
	for l, err := range p.ParseSettlement(strings.NewReader(file)) {
		if err != nil {
			errs = append(errs, err)
		} else {
			lines = append(lines, l)
		}
	}
	return lines, errs
}

func checkSettlement(t T, s Subject) {
	w, stop := newWorld(t, s, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	lines, errs := readSettlement(w.p, s.Settlement)
	if len(errs) > 0 {
		t.Errorf("the right file: %v", errs)
	}
	types, keys, net := map[providers.LineType]int{}, map[string]bool{}, vnd.Signed(0)
	for _, l := range lines {
		types[l.Type]++
		if l.Type == providers.LineTotal {
			if l.Net != net || l.Rows != int64(len(lines)-1) {
				t.Errorf("the TOTAL says %+v", l)
			}
			continue
		}
		net += l.Net
		if _, err := time.Parse(time.DateOnly, l.Date); err != nil || l.Terminal == "" || l.Reference == "" || l.Transaction == "" || l.Status == "" ||
			l.Time.IsZero() || l.Line < 2 || !l.Success || keys[l.Key] || !strings.Contains(l.Key, l.Transaction) {
			t.Errorf("a row lacks something: %+v", l)
		}
		keys[l.Key] = true
	}
	if types[providers.LinePayment] == 0 || types[providers.LineRefund] == 0 || types[providers.LineTotal] != 1 {
		t.Errorf("rows by type: %v", types)
	}
	again, _ := readSettlement(w.p, s.Settlement)
	for i := range again {
		if i < len(lines) && again[i].Key != lines[i].Key {
			t.Errorf("the match key of line %d is another the second time", lines[i].Line)
		}
	}
	if lines, errs := readSettlement(w.p, strings.SplitAfter(s.Settlement, "\n")[0]); len(lines)+len(errs) != 0 {
		t.Errorf("a header only: %v %v", lines, errs)
	}
}

func checkBadSettlement(t T, s Subject) {
	w, stop := newWorld(t, s, nil, 0)
	defer stop()
	if w.p == nil {
		return
	}
	if strings.Count(s.Settlement, "\n") < 3 || !strings.Contains(s.Settlement, s.separator()) {
		t.Errorf("there is no right file to spoil: Subject.Settlement needs a header, rows and a TOTAL")
		return
	}
	rows := strings.SplitAfter(strings.TrimRight(s.Settlement, "\n")+"\n", "\n")
	header, first := rows[0], rows[1]
	comma := s.separator()
	columns := strings.Count(first, comma)
	bad := map[string]string{
		"":                               "",
		"no header":                      strings.Join(rows[1:], ""),
		"a header of another file":       strings.Join([]string{"a", "b", "c\n"}, comma) + first,
		"a row cut short":                header + first[:len(first)/2],
		"a row after the TOTAL":          s.Settlement + first,
		"a TOTAL of one row more":        header + first + strings.Join([]string{"TOTAL", "2", "1", "1", "1\n"}, comma),
		"wrong encoding":                 header + strings.TrimRight(first, "\n") + "\xf4\n",
		"a formula in the last column":   header + first[:strings.LastIndex(first, comma)] + comma + "=1+1\n",
		"a row of commas":                header + strings.Repeat(comma, columns) + "\n",
		"an endless line":                header + strings.Repeat("x", 70<<10) + "\n",
		"a quote that does not end":      header + "\"" + first,
		"a column too many in the row":   header + strings.TrimRight(first, "\n") + comma + "x\n",
		"an amount that does not add up": header + first + otherNumber(first, comma),
	}
	for name, file := range s.BadSettlements {
		bad[name] = file
	}
	for name, file := range bad {
		_, errs := readSettlement(w.p, file)
		if len(errs) == 0 {
			t.Errorf("%s: no error", name)
			continue
		}
		_, want, _ := strings.Cut(name, "→")
		var le *providers.LineError
		if !errors.As(errs[0], &le) || le.Line < 1 || !strings.Contains(errs[0].Error(), strings.TrimSpace(want)) {
			t.Errorf("%s: %v", name, errs[0])
		}
	}
}

// otherNumber is a row whose last number of the size of an amount has a digit more, so that nothing adds up. (Ids stand at
// the front of a row.)
func otherNumber(row, comma string) string {
	fields := strings.Split(row, comma)
	for i, f := range slices.Backward(fields) {
		if _, err := vnd.Parse(f); err == nil && len(f) > 3 && len(f) < 8 {
			fields[i] = f + "7"
			break
		}
	}
	return strings.Join(fields, comma)
}
