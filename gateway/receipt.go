package gateway

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// NewReceipt is a receipt that the agency's own service issued; it has the shape of the API's body. feegate issues none: what it
// gives is a confirmation of payment.
type NewReceipt struct {
	Kind      string `json:"kind"`
	Series    string `json:"series"`
	Number    string `json:"number"`
	PDFSHA256 string `json:"pdf_sha256,omitempty"`
}

// ReceiptView is a receipt as the API gives it.
type ReceiptView struct {
	Kind       string    `json:"kind"`
	Series     string    `json:"series"`
	Number     string    `json:"number"`
	PDFSHA256  string    `json:"pdf_sha256,omitempty"`
	RecordedAt time.Time `json:"recorded_at"`
}

func viewReceipts(rows []receiptRow) []ReceiptView {
	out := make([]ReceiptView, 0, len(rows))
	for _, r := range rows {
		out = append(out, ReceiptView{r.Kind, r.Series, r.Number, r.PDFSHA256, r.RecordedAt})
	}
	return out
}

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (in *NewReceipt) validate() error {
	var e fieldErrors
	in.PDFSHA256 = strings.ToLower(in.PDFSHA256)
	oneOf(&e, "kind", in.Kind, "phi", "le_phi", "nvtc")
	text(&e, "series", in.Series, 1, 40)
	text(&e, "number", in.Number, 1, 40)
	if in.PDFSHA256 != "" && !sha256Hex.MatchString(in.PDFSHA256) {
		e.add("pdf_sha256", "must be 64 hexadecimal digits")
	}
	if len(e) > 0 {
		return &Problem{Name: ProblemInvalid, Fields: e}
	}
	return nil
}

// PutReceipt records a receipt of an order. The same again changes nothing; what is recorded is never changed.
func (g *Gateway) PutReceipt(ctx context.Context, c Caller, orderID string, in NewReceipt) (*OrderView, error) {
	if err := in.validate(); err != nil {
		return nil, err
	}
	err := transact(ctx, g.db, func(tx *sqlx.Tx) error {
		o, err := lockOrder(ctx, tx, c, orderID)
		if err != nil {
			return err
		}
		if !slices.Contains(o.Kinds, in.Kind) {
			return &Problem{Name: ProblemInvalid, Fields: []FieldError{{"kind", "the order has no line of this kind"}}}
		}
		belongs, err := partsOf(ctx, tx, o.ID)
		if err != nil {
			return err
		}
		for _, r := range belongs.receipts {
			if r.Kind != in.Kind || r.Series != in.Series || r.Number != in.Number {
				continue
			}
			if r.PDFSHA256 == in.PDFSHA256 {
				return nil
			}
			return &Problem{Name: ProblemReceiptRecorded, Detail: "this receipt is recorded with another digest", Order: o.ID}
		}
		e := &effects{receipts: []receiptRow{{o.ID, in.Kind, in.Series, in.Number, in.PDFSHA256, c.Actor, g.now()}}}
		e.audited(c, "receipt.recorded", o.ID, g.now())
		return e.write(ctx, tx)
	})
	if err != nil {
		return nil, err
	}
	return g.Order(ctx, c, orderID)
}
