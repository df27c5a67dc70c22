package api

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"time"

	"github.com/gin-gonic/gin"

	"feegate/gateway"
	"feegate/gateway/account"
	"feegate/providers"
)

// recordWithin bounds the work on one message: the provider may hang up, its word is kept all the same.
const recordWithin = 20 * time.Second

var accountID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// accountOf finds the account that a provider or payer comes for.
func (s *server) accountOf(ctx context.Context, c *gin.Context) (*account.Entry, error) {
	nobody := &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is no such account"}
	name := c.Param("account")
	if !accountID.MatchString(name) {
		return nil, nobody
	}
	e, err := s.Accounts.Get(ctx, name)
	switch {
	case errors.Is(err, account.ErrNoAccount):
		return nil, nobody
	case err != nil:
		return nil, err
	case e.Account.Provider != c.Param("provider"):
		return nil, nobody
	case e.Err != nil:
		return nil, e.Err
	}
	return e, nil
}

// callback takes what a provider's server says and answers with the bytes that it expects.
func (s *server) callback(c *gin.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), recordWithin)
	defer cancel()
	e, err := s.accountOf(ctx, c)
	if err != nil {
		if gateway.ProblemName(err) == gateway.ProblemNotFound {
			s.keepStray(ctx, c)
			return
		}
		s.refuse(c, err)
		return
	}
	verdict := providers.VerdictMalformed
	body, err := readBody(c, maxCallback)
	if err == nil {
		verdict, _ = s.take(ctx, c, e, providers.Callback{Method: c.Request.Method, RawQuery: c.Request.URL.RawQuery, Header: c.Request.Header, Body: body})
	}
	reply := e.Provider.Answer(providers.Result{Verdict: verdict})
	if reply.ContentType != "" {
		c.Header("Content-Type", reply.ContentType)
	}
	c.Status(reply.Status)
	c.Writer.WriteHeaderNow()
	if len(reply.Body) > 0 {
		if _, err := c.Writer.Write(reply.Body); err != nil {
			s.Log.WarnContext(ctx, "a provider left before its answer", "request", c.GetString(requestIDKey), "error", err)
		}
	}
}

// keepStray keeps what comes for an account that is not ours, as far as its sender is not flooding us: a wrong address at a
// provider is found by it.
func (s *server) keepStray(ctx context.Context, c *gin.Context) {
	if !s.admit(c, s.unknown, c.ClientIP()) {
		return
	}
	body, err := readBody(c, maxCallback)
	if err != nil {
		s.refuse(c, err)
		return
	}
	name := c.Param("account")
	if !accountID.MatchString(name) {
		name = "unreadable"
	}
	raw := rawMessage(providers.Callback{Method: c.Request.Method, RawQuery: c.Request.URL.RawQuery, Header: c.Request.Header, Body: body})
	if err := s.Gateway.Keep(ctx, "unknown:"+name, false, raw, providers.VerdictUnknownPayment); err != nil {
		s.refuse(c, err)
		return
	}
	s.refuse(c, &gateway.Problem{Name: gateway.ProblemNotFound, Detail: "there is no such account"})
}

// take verifies a message, records each word of it, and keeps what cannot be used. It gives the verdict and the reference
// that the message speaks of.
func (s *server) take(ctx context.Context, c *gin.Context, e *account.Entry, in providers.Callback) (providers.Verdict, string) {
	id, raw := e.Account.ID, rawMessage(in)
	log := s.Log.With("request", c.GetString(requestIDKey), "account", id, "return", in.Return)
	notices, err := e.Provider.Verify(ctx, in)
	if err != nil || len(notices) == 0 {
		verdict := verdictOf(err)
		if keepErr := s.Gateway.Keep(ctx, id, in.Return, raw, verdict); keepErr != nil {
			log.ErrorContext(ctx, "a message could not be kept", "error", keepErr)
			if verdict == providers.VerdictMalformed || verdict == providers.VerdictForged {
				return providers.VerdictFailed, ""
			}
		}
		log.WarnContext(ctx, "a message was refused", "verdict", string(verdict))
		return verdict, ""
	}
	source := gateway.SourceCallback
	if in.Return {
		source = gateway.SourceReturn
	}
	worst := providers.VerdictDuplicate
	for _, n := range notices {
		v, err := s.Gateway.Record(ctx, gateway.Word{AccountID: id, Notice: n, Source: source, Raw: raw})
		if err != nil {
			log.ErrorContext(ctx, "a message could not be recorded", "reference", n.Reference, "error", err)
			v = providers.VerdictFailed
		}
		if severity[v] > severity[worst] {
			worst = v
		}
	}
	return worst, notices[0].Reference
}

// severity orders the verdicts on several words of one message: the provider hears the worst.
var severity = map[providers.Verdict]int{
	providers.VerdictDuplicate: 0, providers.VerdictRecorded: 1, providers.VerdictUnknownPayment: 2, providers.VerdictAmountMismatch: 3,
	providers.VerdictFailed: 4,
}

func verdictOf(err error) providers.Verdict {
	switch {
	case errors.Is(err, providers.ErrWrongMethod): // is also ErrMalformed: first
		return providers.VerdictWrongMethod
	case errors.Is(err, providers.ErrForged):
		return providers.VerdictForged
	case err == nil: // it authenticated itself and says nothing
		return providers.VerdictNothing
	case errors.Is(err, providers.ErrMalformed):
		return providers.VerdictMalformed
	}
	return providers.VerdictFailed
}

// rawMessage is a message as evidence: what came, to the byte, and nothing that another server wrote into its headers.
func rawMessage(in providers.Callback) []byte {
	raw := make([]byte, 0, len(in.Method)+len(in.RawQuery)+len(in.Body)+80)
	raw = append(raw, in.Method+" ?"+in.RawQuery+"\nContent-Type: "+in.Header.Get("Content-Type")+"\n\n"...)
	return append(raw, in.Body...)
}

// payerReturn takes a payer who comes back from the provider and sends them to their order's page. What the address says is
// recorded as a claim, which never makes a payment succeed.
func (s *server) payerReturn(c *gin.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), recordWithin)
	defer cancel()
	noStore(c)
	c.Header("Referrer-Policy", "no-referrer")
	e, err := s.accountOf(ctx, c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	if len(c.Request.URL.RawQuery) > maxCallback {
		s.refuse(c, &gateway.Problem{Name: problemTooLarge})
		return
	}
	verdict, reference := s.take(ctx, c, e, providers.Callback{Return: true, Method: c.Request.Method, RawQuery: c.Request.URL.RawQuery, Header: c.Request.Header})
	if reference == "" {
		status := http.StatusBadRequest
		if verdict == providers.VerdictFailed {
			status = http.StatusServiceUnavailable
		}
		c.String(status, "Không đọc được kết quả thanh toán. Vui lòng mở lại trang thanh toán của hồ sơ để xem trạng thái.\n")
		return
	}
	page, err := s.PageOf(ctx, e.Account.ID, reference)
	switch {
	case err != nil:
		s.refuse(c, err)
	case page == "":
		c.String(http.StatusNotFound, "Không tìm thấy giao dịch này. Vui lòng mở lại trang thanh toán của hồ sơ để xem trạng thái.\n")
	default:
		c.Redirect(http.StatusSeeOther, page)
	}
}
