package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"feegate/gateway/vnd"
)

// Handler serves every provider's wire below /{provider}/, the control calls, the payer pages' style and /healthz.
func (w *World) Handler() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) {
		writeJSON(rw, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET "+stylePath, serveStyle)
	for _, name := range w.names {
		for pattern, h := range w.wires[name].Routes(w) {
			mux.HandleFunc(pattern, h)
		}
	}
	mux.HandleFunc("PUT /control/{provider}/accounts/{terminal}", w.control(w.putAccount))
	mux.HandleFunc("POST /control/{provider}/payments/{reference}", w.control(w.postPayment))
	mux.HandleFunc("POST /control/{provider}/refunds/{reference}", w.control(w.postRefund))
	mux.HandleFunc("POST /control/{provider}/payments/{reference}/refunds", w.control(w.postRefundByHand))
	mux.HandleFunc("POST /control/{provider}/faults", w.control(w.postFault))
	mux.HandleFunc("POST /control/{provider}/bulk", w.control(w.postBulk))
	mux.HandleFunc("GET /control/{provider}/settlement", w.control(w.getSettlement))
	mux.HandleFunc("GET /control/bank/statement", w.control(w.getStatement))
	mux.HandleFunc("POST /control/bank/transfers", w.control(w.postTransfer))
	w.banking(mux)
	mux.HandleFunc("GET /control/ledger", w.control(w.getLedger))
	mux.HandleFunc("GET /control/clock", w.control(w.getClock))
	mux.HandleFunc("POST /control/clock", w.control(w.postClock))
	return mux
}

// control turns errors into problem documents and names an unknown provider before anything else.
func (w *World) control(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		if name := r.PathValue("provider"); name != "" && w.wires[name] == nil {
			Problem(rw, http.StatusNotFound, "unknown-provider", fmt.Sprintf("%q is not simulated; these are: %v", name, w.names))
			return
		}
		err := h(rw, r)
		var tooLarge *http.MaxBytesError
		switch {
		case err == nil:
		case errors.As(err, &tooLarge):
			Problem(rw, http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("at most %d bytes", tooLarge.Limit))
		case errors.Is(err, errUnreadable):
			Problem(rw, http.StatusBadRequest, "unreadable", err.Error())
		case errors.Is(err, ErrUnknown):
			Problem(rw, http.StatusNotFound, "not-found", err.Error())
		case errors.Is(err, ErrInvalid):
			Problem(rw, http.StatusUnprocessableEntity, "invalid", err.Error())
		case errors.Is(err, ErrConflict), errors.Is(err, ErrBackwards):
			Problem(rw, http.StatusConflict, "conflict", err.Error())
		case errors.Is(err, ErrFull):
			Problem(rw, http.StatusInsufficientStorage, "full", err.Error())
		case errors.Is(err, ErrGateway):
			Problem(rw, http.StatusBadGateway, "gateway", err.Error())
		default:
			Problem(rw, http.StatusInternalServerError, "internal", err.Error())
		}
	}
}

var (
	errUnreadable = errors.New("the body cannot be read")
	// ErrGateway says that the gateway's clock did not move; the simulator's stands too.
	ErrGateway = errors.New("the gateway's clock could not be moved")
)

// Problem writes an RFC 9457 document.
func Problem(rw http.ResponseWriter, status int, name, detail string) {
	rw.Header().Set("Content-Type", "application/problem+json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(map[string]any{
		"type": "urn:feegate:simulator:problem:" + name, "title": http.StatusText(status), "status": status, "detail": detail})
}

func writeJSON(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(v)
}

// readJSON reads one JSON value and nothing after it; unknown fields are mistakes of the caller.
func readJSON(rw http.ResponseWriter, r *http.Request, limit int64, v any) error {
	return strictly(http.MaxBytesReader(rw, r.Body, limit), v)
}

func strict(raw []byte, v any) error { return strictly(bytes.NewReader(raw), v) }

func strictly(r io.Reader, v any) error {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the JSON value", errUnreadable)
	}
	return nil
}

func (w *World) putAccount(rw http.ResponseWriter, r *http.Request) error {
	var body struct {
		Credentials map[string]string `json:"credentials"`
		CallbackURL string            `json:"callback_url"`
		Tariff      vnd.Tariff        `json:"tariff"`
		QueryLimit  bool              `json:"query_limit"`
		BankAccount string            `json:"bank_account"`
	}
	if err := readJSON(rw, r, MaxControlBody, &body); err != nil {
		return err
	}
	provider, terminal := r.PathValue("provider"), r.PathValue("terminal")
	if err := w.PutAccount(Account{provider, terminal, body.Credentials, body.CallbackURL, body.Tariff, body.QueryLimit, body.BankAccount}); err != nil {
		return err
	}
	writeJSON(rw, http.StatusOK, map[string]any{"provider": provider, "account": terminal,
		"callback_url": body.CallbackURL, "tariff": body.Tariff, "query_limit": body.QueryLimit})
	return nil
}

func (w *World) postPayment(rw http.ResponseWriter, r *http.Request) error {
	var d Decision
	if err := readJSON(rw, r, MaxControlBody, &d); err != nil {
		return err
	}
	provider, reference := r.PathValue("provider"), r.PathValue("reference")
	if reference == "next" {
		if err := w.Arm(provider, d); err != nil {
			return err
		}
		writeJSON(rw, http.StatusOK, Decided{Status: "armed", Callbacks: []Delivery{}})
		return nil
	}
	done, err := w.Decide(r.Context(), provider, reference, d)
	if err != nil {
		return err
	}
	writeJSON(rw, http.StatusOK, done)
	return nil
}

func (w *World) postRefund(rw http.ResponseWriter, r *http.Request) error {
	var d RefundDecision
	if err := readJSON(rw, r, MaxControlBody, &d); err != nil {
		return err
	}
	provider, reference := r.PathValue("provider"), r.PathValue("reference")
	status := "armed"
	if reference == "next" {
		if err := w.ArmRefund(provider, d); err != nil {
			return err
		}
	} else {
		done, err := w.DecideRefund(provider, reference, d)
		if err != nil {
			return err
		}
		status = string(done.State)
	}
	writeJSON(rw, http.StatusOK, map[string]string{"status": status})
	return nil
}

func (w *World) postRefundByHand(rw http.ResponseWriter, r *http.Request) error {
	var body struct {
		Amount vnd.Amount `json:"amount"`
		At     *time.Time `json:"at"`
	}
	if err := readJSON(rw, r, MaxControlBody, &body); err != nil {
		return err
	}
	done, err := w.RefundByHand(r.PathValue("provider"), r.PathValue("reference"), body.Amount, body.At)
	if err != nil {
		return err
	}
	writeJSON(rw, http.StatusOK, map[string]string{"status": string(done.State), "reference": done.Reference, "transaction": done.Transaction})
	return nil
}

func (w *World) postFault(rw http.ResponseWriter, r *http.Request) error {
	var f Fault
	if err := readJSON(rw, r, MaxControlBody, &f); err != nil {
		return err
	}
	if err := w.SetFault(r.PathValue("provider"), f); err != nil {
		return err
	}
	writeJSON(rw, http.StatusOK, f)
	return nil
}

// postBulk takes the rows as an array, or as {"items": […]}.
func (w *World) postBulk(rw http.ResponseWriter, r *http.Request) error {
	var raw json.RawMessage
	if err := readJSON(rw, r, MaxBulkBody, &raw); err != nil {
		return err
	}
	var rows []Earlier
	var err error
	if len(raw) > 0 && raw[0] == '{' {
		var body struct {
			Items []Earlier `json:"items"`
		}
		err = strict(raw, &body)
		rows = body.Items
	} else {
		err = strict(raw, &rows)
	}
	if err != nil {
		return err
	}
	if len(rows) > MaxBulk {
		return fmt.Errorf("items: %w: at most %d in one call", ErrInvalid, MaxBulk)
	}
	items, err := w.Enter(r.PathValue("provider"), rows)
	if err != nil {
		return err
	}
	writeJSON(rw, http.StatusOK, map[string]any{"items": items})
	return nil
}

func (w *World) getSettlement(rw http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	c, err := changesOf(r)
	if err != nil {
		return err
	}
	name, file, changes, err := w.Settlement(r.PathValue("provider"), q.Get("account"), q.Get("date"), c)
	if err != nil {
		return err
	}
	sendFile(rw, r, name, file, changes)
	return nil
}

func (w *World) getStatement(rw http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	c, err := changesOf(r)
	if err != nil {
		return err
	}
	file, changes, err := w.Statement(StatementQuery{q.Get("provider"), q.Get("account"), q.Get("date"), q.Get("to"), q.Get("bank_account"), q.Get("format"), c})
	if err != nil {
		return err
	}
	ending := map[string]string{"mt940": ".sta", "camt053": ".xml"}[q.Get("format")]
	if ending == "" {
		ending = ".csv"
	}
	sendFile(rw, r, "sao-ke-"+q.Get("date")+ending, file, changes)
	return nil
}

// sendFile answers the file itself, or with ?explain=true what was changed in it, beside its text.
func sendFile(rw http.ResponseWriter, r *http.Request, name string, file []byte, changes []Change) {
	if r.URL.Query().Get("explain") == "true" {
		writeJSON(rw, http.StatusOK, map[string]any{"filename": name, "file": string(file), "changes": changes})
		return
	}
	rw.Header().Set("Content-Type", "text/csv; charset=utf-8")
	rw.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	_, _ = rw.Write(file)
}

func changesOf(r *http.Request) (c Changes, err error) {
	q := r.URL.Query()
	for name, into := range map[string]*int{"lose": &c.Lose, "invent": &c.Invent, "alter": &c.Alter, "double": &c.Double} {
		if v := q.Get(name); v != "" {
			if *into, err = strconv.Atoi(v); err != nil {
				return c, fmt.Errorf("%s: %w: a whole number", name, ErrInvalid)
			}
		}
	}
	if v := q.Get("seed"); v != "" {
		if c.Seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			return c, fmt.Errorf("seed: %w: a whole number", ErrInvalid)
		}
	}
	return c, nil
}

func (w *World) getLedger(rw http.ResponseWriter, _ *http.Request) error {
	payments, payouts := w.Ledger()
	if payments == nil {
		payments = []Truth{}
	}
	writeJSON(rw, http.StatusOK, map[string]any{"payments": payments, "payouts": payouts})
	return nil
}

func (w *World) getClock(rw http.ResponseWriter, _ *http.Request) error {
	writeJSON(rw, http.StatusOK, map[string]time.Time{"now": w.Now()})
	return nil
}

func (w *World) postClock(rw http.ResponseWriter, r *http.Request) error {
	var body struct {
		Set     *time.Time `json:"set"`
		Advance *string    `json:"advance"`
	}
	if err := readJSON(rw, r, MaxControlBody, &body); err != nil {
		return err
	}
	if (body.Set == nil) == (body.Advance == nil) {
		return fmt.Errorf("%w: give set or advance", ErrInvalid)
	}
	move := func(now time.Time) time.Time { return *body.Set }
	if body.Advance != nil {
		d, err := time.ParseDuration(*body.Advance)
		if err != nil || d < 0 {
			return fmt.Errorf("advance: %w: a duration such as 36h or 15m", ErrInvalid)
		}
		move = func(now time.Time) time.Time { return now.Add(d) }
	}
	now, err := w.Move(r.Context(), move)
	if err != nil {
		return err
	}
	writeJSON(rw, http.StatusOK, map[string]time.Time{"now": now})
	return nil
}

// Move moves the gateway's clock and then the simulator's; the gateway's first, since it may refuse.
func (w *World) Move(ctx context.Context, to func(now time.Time) time.Time) (time.Time, error) {
	w.moving.Lock()
	defer w.moving.Unlock()
	now := w.clock.Now()
	target := to(now)
	if target.Before(now) {
		return time.Time{}, fmt.Errorf("%w: it is %s", ErrBackwards, now.Format(time.RFC3339))
	}
	if target.Sub(now) > 50*365*24*time.Hour {
		return time.Time{}, fmt.Errorf("%w: at most 50 years at a time", ErrInvalid)
	}
	if w.move != nil {
		if err := w.move(ctx, target); err != nil {
			return time.Time{}, fmt.Errorf("%w: %w", ErrGateway, err)
		}
	}
	// The clock ticked on while the gateway moved: a target that has passed meanwhile is reached already.
	if err := w.clock.Set(target); err != nil && !errors.Is(err, ErrBackwards) {
		return time.Time{}, err
	}
	w.changed()
	return w.clock.Now(), nil
}
