package adoption

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"feegate/reconciliation/document"
)

// WriteCSV writes the report as a table, the total last. It begins with a byte order mark: without one the spreadsheets that
// officers use read Vietnamese names in their own code page. The amounts and counts are whole numbers.
func (r *Report) WriteCSV(w io.Writer) error {
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	out := csv.NewWriter(w)
	names := []string{"transactions", "transactions_upper", "transactions_remote", "dossiers", "amount", "coverage", "bank_proven", "phi", "le_phi", "nvtc"}
	head := []string{"definition", "from", "to", "as_of", "group_by", "code", "name"}
	for _, n := range names {
		head = append(head, n+"_numerator", n+"_denominator", n+"_percent")
	}
	head = append(append(head, Buckets()...), sides()...)
	head = append(head, "targets", "cut", "parameters")
	parameters, _ := json.Marshal(r.Parameters) // numbers: it cannot fail
	_ = out.Write(head)                         // csv.Writer keeps its first error; Error below gives it
	for _, row := range append(append([]Row{}, r.Rows...), r.Total) {
		g := Group{"", "TOTAL"}
		if row.Group != nil {
			g = *row.Group
		}
		line := []string{r.Definition, r.Period.From, r.Period.To, r.AsOf.Format("2006-01-02T15:04:05Z07:00"), r.GroupBy, document.Harmless(g.Code), document.Harmless(g.Name)}
		phi, lePhi, nvtc := row.ByKind["phi"], row.ByKind["le_phi"], row.ByKind["nvtc"]
		rates := row.Rates
		for _, x := range []*Rate{&rates.Transactions, &rates.TransactionsUpper, &rates.TransactionsRemote, rates.Dossiers, &rates.Amount, rates.Coverage,
			&rates.BankProven, &phi, &lePhi, &nvtc} {
			line = append(line, x.cells()...)
		}
		for _, b := range Buckets() {
			line = append(line, strconv.FormatInt(row.Buckets[b], 10))
		}
		for _, s := range sides() {
			cell := ""
			if v := row.Side[s]; v != nil {
				cell = strconv.FormatInt(*v, 10)
			}
			line = append(line, cell)
		}
		said := []string{}
		for _, t := range row.Targets {
			h, _ := t.Percent.MarshalJSON() // digits: it cannot fail
			said = append(said, string(h)+" "+t.Status)
		}
		_ = out.Write(append(line, strings.Join(said, "; "), r.Cut, string(parameters)))
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (r *Rate) cells() []string {
	if r == nil {
		return []string{"", "", ""}
	}
	percent := ""
	if r.Percent != nil {
		percent = *r.Percent
	}
	return []string{strconv.FormatInt(r.Numerator, 10), strconv.FormatInt(r.Denominator, 10), percent}
}
