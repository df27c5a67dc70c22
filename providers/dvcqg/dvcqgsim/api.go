package dvcqgsim

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"feegate/gateway/vnd"
	"feegate/providers/dvcqg/mapping"
	"feegate/providers/sim"
)

// request is one call that was read and whose checksum holds.
type request struct {
	*http.Request
	account sim.Account
	fields  map[string]string
	body    []byte
}

func (s server) field(r request, role string) string { return r.fields[s.m.Name(role)] }

// answer is what goes back, by content type.
type answer struct {
	kind string
	body []byte
}

func jsonAnswer(v any) answer {
	b, err := encode(v)
	if err != nil {
		return answer{"text/plain", []byte(err.Error())}
	}
	return answer{"application/json", b}
}

// call reads, authenticates and answers one function, under the fault that meets it.
func (s server) call(op sim.Operation, function string, handle func(request) (answer, func(context.Context))) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, sim.MaxWireBody))
		if err != nil {
			http.Error(rw, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		s.w.Serve(Name, op, rw, r, func(rw http.ResponseWriter) func(context.Context) {
			fields, err := decode(body)
			a, known := s.w.Account(Name, fields[s.m.Name(mapping.Partner)])
			var said answer
			var after func(context.Context)
			switch {
			case err != nil || fields[s.m.Name(mapping.Type)] != s.m.Functions[function].Type || fields[s.m.Name(mapping.Version)] != s.m.Version:
				said = s.no(function, s.m.Answers["malformed"])
			case !known || !equal(fields[s.m.Name(mapping.Digest)], sum(s.m, function, fields, a.Credentials["secret"])):
				said = s.no(function, s.m.Answers["forged"])
			default:
				said, after = handle(request{r, a, fields, body})
			}
			rw.Header().Set("Content-Type", said.kind)
			_, _ = rw.Write(said.body)
			return after
		})
	}
}

// no is a refusal in the words of the function: INIT has a code of its own.
func (s server) no(function string, why mapping.Reply) answer {
	if function == mapping.Init {
		return jsonAnswer(map[string]string{s.m.Name(mapping.InitCode): why.Code, s.m.Name(mapping.InitText): why.Text})
	}
	return jsonAnswer(map[string]string{s.m.Name(mapping.Code): why.Code, s.m.Name(mapping.Text): why.Text})
}

func (s server) init(r request) (answer, func(context.Context)) {
	refused := func(why string) (answer, func(context.Context)) {
		return s.no(mapping.Init, mapping.Reply{Code: initRefused, Text: why}), nil
	}
	amount, err := vnd.Parse(s.field(r, mapping.Amount))
	if err != nil || amount == 0 || s.field(r, mapping.Reference) == "" || s.field(r, mapping.Currency) != s.m.Values[mapping.Currency] {
		return refused("so tien, ma tham chieu hoac ma tien te")
	}
	total, account, ok := s.receiptTotal(r.body)
	if !ok || total != amount {
		return refused("thong tin bien lai khong khop so tien")
	}
	p, fresh, err := s.w.Accept(sim.Payment{Provider: Name, Account: r.account.Terminal, Reference: s.field(r, mapping.Reference), Amount: amount,
		ExpiresAt: s.w.Now().Add(30 * time.Minute), Wire: map[string]string{"description": s.field(r, mapping.Description), "account": account}})
	if err != nil || !fresh {
		return refused("trung ma tham chieu")
	}
	inner, err := encode(map[string]string{s.m.Name(mapping.PayURL): "http://" + r.Host + payPath + "?t=" + url.QueryEscape(token(r.account, p.Reference))})
	if err != nil {
		return refused(err.Error())
	}
	return jsonAnswer(map[string]string{s.m.Name(mapping.InitCode): codeOf(s.m.Codes.Init, mapping.Accepted, ""), s.m.Name(mapping.InitText): string(inner)}),
		s.w.Accepted(r.Context(), p)
}

// receiptTotal adds the receipt block's items up and gives the account that it names.
func (s server) receiptTotal(body []byte) (total vnd.Amount, account string, ok bool) {
	var outer, block map[string]json.RawMessage
	if json.Unmarshal(body, &outer) != nil || json.Unmarshal(outer[s.m.Name(mapping.ReceiptInfo)], &block) != nil {
		return 0, "", false
	}
	names := s.m.Receipt.Fields
	for list, field := range map[string]string{names["fees"]: names["fee_amount"], names["budget"]: names["budget_amount"]} {
		var items []map[string]string
		if block[list] != nil && json.Unmarshal(block[list], &items) != nil {
			return 0, "", false
		}
		for _, item := range items {
			a, err := vnd.Parse(item[field])
			if err != nil {
				return 0, "", false
			}
			total += a
		}
	}
	_ = json.Unmarshal(block[names["account"]], &account) // may be absent
	return total, account, true
}

func (s server) query(r request) (answer, func(context.Context)) {
	p, ok := s.w.Find(Name, r.account.Terminal, s.field(r, mapping.Reference))
	if !ok {
		return s.no(mapping.Query, s.m.Answers["unknown_payment"]), nil
	}
	at, amount := s.field(r, mapping.Time), p.Amount
	if p.State == sim.Succeeded {
		at, amount = moment(p.PaidAt), p.Taken
	}
	fields := map[string]string{}
	for role, v := range map[string]string{
		mapping.Code: codeOf(s.m.Codes.Query, mapping.Read, ""), mapping.Partner: p.Account, mapping.Reference: p.Reference, mapping.Amount: amount.String(),
		mapping.Currency: s.m.Values[mapping.Currency], mapping.Transaction: p.Transaction, mapping.Time: at, mapping.Status: Wire{s.m}.status(p),
	} {
		fields[s.m.Name(role)] = v
	}
	if len(s.m.Hashes[mapping.QueryAnswer]) > 0 {
		fields[s.m.Name(mapping.Digest)] = sum(s.m, mapping.QueryAnswer, fields, r.account.Credentials["secret"])
	}
	return jsonAnswer(fields), nil
}

func (s server) bill(r request) (answer, func(context.Context)) {
	p, ok := s.w.Find(Name, r.account.Terminal, s.field(r, mapping.Reference))
	if !ok || p.State != sim.Succeeded {
		return s.no(mapping.Bill, s.m.Answers["unknown_payment"]), nil
	}
	return answer{"application/pdf", minimalPDF("BIEN LAI MO PHONG", "Ma tham chieu: "+p.Reference, "So tien: "+p.Taken.String()+" VND", "Thoi gian: "+moment(p.PaidAt))}, nil
}
