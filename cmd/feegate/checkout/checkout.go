// Package checkout is the page a payer sees: what is paid, for which dossier, and the ways to pay it; then what became of it.
// Server-rendered, Vietnamese first, no script. It decides nothing: the gateway does.
package checkout

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"feegate/gateway"
	"feegate/gateway/vnd"
)

//go:embed page.html style.css
var files embed.FS

// Pages serves GET and POST /pay/{token}.
type Pages struct {
	gateway *gateway.Gateway
	page    *template.Template
	log     *slog.Logger
}

// New makes the pages.
func New(g *gateway.Gateway, log *slog.Logger) (*Pages, error) {
	t, err := template.New("page.html").Funcs(template.FuncMap{"money": vnd.Amount.Format, "time": vietnamese}).ParseFS(files, "page.html")
	if err != nil {
		return nil, err
	}
	return &Pages{g, t, log}, nil
}

func vietnamese(t time.Time) string {
	return t.In(time.FixedZone("+07", 7*3600)).Format("02/01/2006 15:04")
}

// Mount adds the routes.
func (p *Pages) Mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /pay/style.css", func(w http.ResponseWriter, _ *http.Request) {
		css, _ := files.ReadFile("style.css") // embedded: it is there
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Header().Set("Cache-Control", "public, max-age=3600")
		_, _ = w.Write(css)
	})
	mux.HandleFunc("GET /pay/{token}", p.show)
	mux.HandleFunc("POST /pay/{token}", p.pay)
}

type view struct {
	Order   *gateway.OrderView
	Ways    []gateway.Way
	State   string // choose, waiting, doubt, paid, ended, missing
	Problem string
	Key     string
	Paid    *gateway.PaymentView
	Names   map[string]string
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) { p.render(w, r, "", http.StatusOK) }

func (p *Pages) render(w http.ResponseWriter, r *http.Request, problem string, status int) {
	v := view{Problem: problem, Key: rand.Text(), Names: map[string]string{"vnpay": "VNPAY — thẻ, tài khoản ngân hàng, mã QR", "momo": "Ví MoMo"}}
	order, _, err := p.gateway.OrderByToken(r.Context(), r.PathValue("token"))
	switch {
	case gateway.ProblemName(err) == gateway.ProblemNotFound:
		v.State, status = "missing", http.StatusNotFound
	case err != nil:
		p.log.Error("checkout page", "error", err)
		http.Error(w, "Hệ thống đang bận, vui lòng thử lại sau ít phút.", http.StatusServiceUnavailable)
		return
	default:
		v.Order = order
		v.State = stateOf(order, r.URL.Query().Has("again"))
		for i := range order.Payments {
			if order.Payments[i].Status == gateway.PaymentSucceeded {
				v.Paid = &order.Payments[i]
			}
		}
		if v.Ways, err = p.gateway.Ways(r.Context(), order); err != nil {
			p.log.Error("ways to pay", "error", err)
		}
	}
	var b bytes.Buffer
	if err := p.page.Execute(&b, v); err != nil {
		p.log.Error("checkout page", "error", err)
		http.Error(w, "Hệ thống đang bận, vui lòng thử lại sau ít phút.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// stateOf says which page an order shows.
func stateOf(o *gateway.OrderView, again bool) string {
	switch o.Status {
	case gateway.OrderPaid, gateway.OrderPartlyRefunded, gateway.OrderRefunded:
		return "paid"
	case gateway.OrderOpen:
		for _, p := range o.Payments {
			if p.Status == gateway.PaymentPending || p.Status == gateway.PaymentCreated {
				if p.InDoubt && !again {
					return "doubt"
				}
				if !again {
					return "waiting"
				}
			}
		}
		return "choose"
	default:
		return "ended"
	}
}

func (p *Pages) pay(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "Yêu cầu không đọc được.", http.StatusBadRequest)
		return
	}
	order, caller, err := p.gateway.OrderByToken(r.Context(), r.PathValue("token"))
	if err != nil {
		p.render(w, r, "", http.StatusNotFound)
		return
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	in := gateway.NewPayment{AccountID: r.PostForm.Get("account"), PayerIP: host, Despite: r.PostForm.Get("despite") == "yes"}
	hash := sha256.Sum256([]byte(in.AccountID))
	_, err = p.gateway.StartPayment(r.Context(), caller, gateway.Key{Principal: "checkout", Method: http.MethodPost, Path: "/pay/" + order.ID,
		Key: r.PostForm.Get("key"), BodyHash: hash[:]}, order.ID, in)
	if err == nil {
		p.goToProvider(w, r)
		return
	}
	var problem *gateway.Problem
	if !errors.As(err, &problem) {
		p.log.Error("starting a payment", "error", err)
		problem = &gateway.Problem{Name: gateway.ProblemUnavailable}
	}
	p.render(w, r, sentence(problem.Name), http.StatusConflict)
}

// goToProvider sends the payer to the newest payment's address, read back from the record.
func (p *Pages) goToProvider(w http.ResponseWriter, r *http.Request) {
	order, _, err := p.gateway.OrderByToken(r.Context(), r.PathValue("token"))
	if err == nil {
		for i := len(order.Payments) - 1; i >= 0; i-- {
			if u := order.Payments[i].Address(); u != "" && order.Payments[i].Status == gateway.PaymentPending {
				http.Redirect(w, r, u, http.StatusSeeOther)
				return
			}
		}
	}
	http.Redirect(w, r, strings.TrimSuffix(r.URL.Path, "/"), http.StatusSeeOther)
}

func sentence(problem string) string {
	switch problem {
	case gateway.ProblemPaymentInDoubt:
		return "Lần nộp trước chưa có kết quả cuối cùng. Đừng nộp lại ngay: nếu tài khoản đã bị trừ, khoản này sẽ được ghi nhận."
	case gateway.ProblemUnavailable:
		return "Cách nộp này tạm thời không dùng được. Tài khoản của bạn không bị trừ tiền; hãy chọn cách khác."
	case gateway.ProblemAmountOutside:
		return "Số tiền này ngoài hạn mức của cách nộp đã chọn; hãy chọn cách khác."
	case gateway.ProblemOrderExpiring:
		return "Yêu cầu nộp phí sắp hết hạn, không thể bắt đầu lần nộp mới."
	case gateway.ProblemTooManyPayments:
		return "Đã có quá nhiều lần nộp đang chờ kết quả. Hãy chờ ít phút."
	}
	return "Không thể bắt đầu nộp phí. Tài khoản của bạn không bị trừ tiền; hãy thử lại hoặc chọn cách khác."
}
