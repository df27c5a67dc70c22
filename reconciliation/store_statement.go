package reconciliation

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"feegate/gateway"
	"feegate/gateway/vnd"
	"feegate/reconciliation/statement"
)

// keepStatement writes an import with its lines in one transaction, each line once for ever; a dry run is rolled back at the end of it.
func (r *Reconciler) keepStatement(ctx context.Context, imp *StatementImport, all []statement.Statement, lines []bookedLine, f *StatementFile) error {
	tx, err := r.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("importing a statement: %w", err)
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := alone(ctx, tx); err != nil {
		return fmt.Errorf("importing a statement: %w", err)
	}
	known, err := oneStatement(ctx, tx, `sha256 = $1 AND bank_account = $2 AND kind = 'statement' AND status = 'visible'`, imp.SHA256, all[0].Account)
	if err == nil {
		*imp, imp.Known = *known, true
		imp.Known = true
		return nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("looking for the same statement: %w", err)
	}
	for i := range all {
		if err := gap(ctx, tx, imp, &all[i]); err != nil {
			return err
		}
		if err := layoutOf(ctx, tx, imp, &all[i], f.Unattended); err != nil {
			return err
		}
	}
	id := imp.ID
	if f.DryRun {
		id = "imp_dry"
	}
	findings, err := json.Marshal(imp.Findings)
	if err != nil {
		return fmt.Errorf("importing a statement: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO imports (id, kind, bank_account, status, file_name, sha256, lines, amount, net, findings, imported_by, recorded_at)
		VALUES ($1, 'statement', $2, 'visible', $3, $4, $5, $6, $6, $7, $8, $9)`, id, all[0].Account, imp.FileName, imp.SHA256, imp.Lines,
		vnd.Signed(imp.Credits)-vnd.Signed(imp.Debits), string(findings), imp.ImportedBy, imp.RecordedAt); err != nil {
		return fmt.Errorf("importing a statement: %w", err)
	}
	for n, s := range all {
		if _, err := tx.ExecContext(ctx, `INSERT INTO bank_statements (import_id, n, bank_account, statement_id, sequence, from_day, to_day, opening, closing, unchecked, layout, recorded_at)
			VALUES ($1, $2, $3, $4, $5, nullif($6, '')::date, nullif($7, '')::date, $8, $9, $10, $11, $12)`, id, n+1, s.Account, s.ID, s.Sequence, s.From, s.To, s.Opening, s.Closing, s.Unchecked, s.Layout, imp.RecordedAt); err != nil {
			return fmt.Errorf("importing a statement: %w", err)
		}
	}
	if lines, err = r.withoutTwins(ctx, tx, lines); err != nil {
		return err
	}
	if imp.Added, err = insertLines(ctx, tx, id, lines, imp.RecordedAt); err != nil {
		return err
	}
	if err := r.markStated(ctx, tx, id, imp.RecordedAt); err != nil {
		return err
	}
	if f.DryRun {
		return nil
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("importing a statement: %w", err)
	}
	return nil
}

// gap notes where a statement does not go on from the one before it.
func gap(ctx context.Context, tx *sqlx.Tx, imp *StatementImport, s *statement.Statement) error {
	if s.Unchecked || s.From == "" {
		return nil
	}
	var closing vnd.Signed
	var to string
	err := tx.QueryRowxContext(ctx, `SELECT closing, to_day::text FROM bank_statements WHERE bank_account = $1 AND NOT unchecked AND to_day < $2 ORDER BY to_day DESC, recorded_at DESC LIMIT 1`, s.Account, s.From).Scan(&closing, &to)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for the statement before: %w", err)
	}
	if closing != s.Opening {
		imp.Findings = append(imp.Findings, Finding{1, "statement_gap", fmt.Sprintf("opens with %s, the statement up to %s closed with %s", s.Opening.Format(), to, closing.Format())})
	}
	return nil
}

// insertChunk is how many lines one statement writes.
const insertChunk = 1000

// insertLines keeps the lines that no statement had, and gives how many those were. A batch told in its details takes the place of the same
// batch told as one sum, unless that is used or a closed day counts it, and the sum is not added to details that are there.
func insertLines(ctx context.Context, tx *sqlx.Tx, importID string, lines []bookedLine, now time.Time) (added int64, err error) {
	type row struct {
		BankAccount string     `json:"bank_account"`
		BookedOn    string     `json:"booked_on"`
		ValueOn     *string    `json:"value_on"`
		At          *time.Time `json:"at"`
		Amount      vnd.Signed `json:"amount"`
		Reference   string     `json:"reference"`
		Key         string     `json:"key"`
		Occurrence  int        `json:"occurrence"`
		LineNo      int        `json:"line_no"`
		Parent      string     `json:"parent"`
		Type        string     `json:"type"`
		Sealed      string     `json:"content_sealed"` // \x…
		Account     *string    `json:"hint_account"`
		Provider    string     `json:"hint_provider"`
		Days        []string   `json:"hint_days"`
	}
	for from := 0; from < len(lines); from += insertChunk {
		var rows []row
		for i := range lines[from:min(from+insertChunk, len(lines))] {
			l := &lines[from+i]
			r := row{BankAccount: l.bankAccount, BookedOn: l.BookedOn, Amount: l.Signed(), Reference: l.BankReference, Key: l.key, Occurrence: l.occurrence, LineNo: l.No,
				Parent: l.Parent, Type: l.Type, Sealed: `\x` + hex.EncodeToString(l.sealed), Provider: l.hint.Provider, Days: append([]string{}, l.hint.Days...)}
			if l.hint.Account != "" {
				r.Account = &l.hint.Account
			}
			if l.Candidate { // not certain: it is kept as it is, and a person says
				r.Type = "other"
			}
			if l.Batch {
				r.Type = "batch"
			}
			if l.ValueOn != "" {
				r.ValueOn = &l.ValueOn
			}
			if !l.At.IsZero() {
				r.At = &l.At
			}
			rows = append(rows, r)
		}
		raw, err := json.Marshal(rows)
		if err != nil {
			return added, fmt.Errorf("importing a statement: %w", err)
		}
		if slices.ContainsFunc(rows, func(r row) bool { return r.Parent != "" }) { // details of a sum
			if _, err := tx.ExecContext(ctx, `UPDATE statement_lines w SET superseded_at = $1 FROM json_populate_recordset(NULL::statement_lines, $2) d
			WHERE d.parent <> '' AND w.bank_account = d.bank_account AND w.reference = d.parent AND w.parent = '' AND w.superseded_at IS NULL
			AND NOT EXISTS (SELECT FROM statement_transfers x WHERE x.line_id = w.id) AND NOT EXISTS (SELECT FROM bank_uses u WHERE u.line_id = w.id AND u.ended_at IS NULL) AND NOT frozen_line(w.id, NULL)`, now, string(raw)); err != nil {
				return added, fmt.Errorf("importing a statement: %w", err)
			}
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO statement_lines (import_id, bank_account, booked_on, value_on, at, amount, reference, key, occurrence, line_no, parent, type, content_sealed, hint_account, hint_provider, hint_days, recorded_at)
			SELECT $1, d.bank_account, d.booked_on, d.value_on, d.at, d.amount, d.reference, d.key, d.occurrence, d.line_no, d.parent, d.type, d.content_sealed, d.hint_account, d.hint_provider, d.hint_days, $2
			FROM json_populate_recordset(NULL::statement_lines, $3) d
			WHERE (d.parent <> '' OR d.reference = '' OR NOT EXISTS (SELECT FROM statement_lines o WHERE o.bank_account = d.bank_account AND o.parent = d.reference AND o.parent <> '' AND o.superseded_at IS NULL))
			AND (d.parent = '' OR NOT EXISTS (SELECT FROM statement_lines w WHERE w.bank_account = d.bank_account AND w.reference = d.parent AND w.parent = '' AND w.superseded_at IS NULL))
			ORDER BY d.line_no ON CONFLICT (bank_account, key, occurrence) DO NOTHING`, importID, now, string(raw))
		if err != nil {
			return added, fmt.Errorf("importing a statement: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return added, fmt.Errorf("importing a statement: %w", err)
		}
		added += n
	}
	return added, nil
}

// heardLine is a line on its way through the gateway's door.
type heardLine struct {
	ID          int64      `db:"id"`
	ImportID    string     `db:"import_id"`
	RecordedAt  time.Time  `db:"recorded_at"`
	BankAccount string     `db:"bank_account"`
	BookedOn    time.Time  `db:"booked_on"`
	At          *time.Time `db:"at"`
	Amount      vnd.Signed `db:"amount"`
	Reference   string     `db:"reference"`
	Key         string     `db:"key"`
	Type        string     `db:"type"`
	Occurrence  int        `db:"occurrence"`
	Sealed      []byte     `db:"content_sealed"`
}

// when is the bank's time of a line; of one that tells the day alone, its noon.
func (l *heardLine) when() time.Time {
	if l.At != nil {
		return *l.At
	}
	y, m, d := l.BookedOn.Date()
	return time.Date(y, m, d, 12, 0, 0, 0, vietnam)
}

// unheard are the lines that say of money moved by somebody, on accounts that transfers are paid into, and no transfer has.
func (r *Reconciler) unheard(ctx context.Context, limit int) ([]heardLine, error) {
	entries, err := r.accounts.ForAgency(ctx, "")
	if err != nil {
		return nil, err
	}
	banks := []string{}
	for _, e := range entries {
		if e.Account.Registration.Transfers {
			banks = append(banks, plain(e.Account.BeneficiaryAccount))
		}
	}
	var out []heardLine
	if err := r.db.SelectContext(ctx, &out, `SELECT l.id, l.import_id, l.recorded_at, l.bank_account, l.booked_on, l.at, l.amount, l.reference, l.key, l.occurrence, l.type, l.content_sealed FROM statement_lines l
		WHERE l.bank_account = ANY ($1) AND l.recorded_at > $3 AND l.superseded_at IS NULL AND l.type IN ('transfer', 'other', 'reversal') AND l.content_sealed IS NOT NULL
		AND NOT EXISTS (SELECT FROM statement_transfers x WHERE x.line_id = l.id) ORDER BY l.type = 'reversal', l.id LIMIT $2`, pq.Array(banks), limit, r.now().Add(-namedWithin)); err != nil {
		return nil, fmt.Errorf("finding statement lines to take in: %w", err)
	}
	return out, nil
}

// untold is how many lines of a day of an account of transfers nobody has taken in yet, though somebody will.
func (r *Reconciler) untold(ctx context.Context, x sqlx.QueryerContext, accountID, date string) (n int, err error) {
	if err := sqlx.GetContext(ctx, x, &n, `SELECT count(*) FROM merchant_accounts a JOIN account_banks b ON b.account_id = a.id JOIN statement_lines l ON l.bank_account = b.bank_account
		WHERE a.id = $1 AND a.provider = ANY ($3) AND l.booked_on BETWEEN $2::date - 1 AND $2::date + 1 AND $2::date = coalesce(business_day(l.at), l.booked_on) AND l.recorded_at > $4 AND l.superseded_at IS NULL
		AND l.type IN ('transfer', 'other') AND l.content_sealed IS NOT NULL AND NOT EXISTS (SELECT FROM statement_transfers t WHERE t.line_id = l.id)`, accountID, date, r.transferProviders(), r.now().Add(-namedWithin)); err != nil {
		return 0, fmt.Errorf("looking for lines that nobody has taken in: %w", err)
	}
	return n, nil
}

// tieLine says which transfer a line is, and which payment it takes back; the days that this concerns are matched again.
func (r *Reconciler) tieLine(ctx context.Context, line int64, transfer, reversed string) error {
	if _, err := r.db.ExecContext(ctx, `WITH tied AS (INSERT INTO statement_transfers (line_id, transfer_id, recorded_at, reverses) VALUES ($1, $2, $3, nullif($4, '')) ON CONFLICT DO NOTHING)
		INSERT INTO days_to_match (account_id, date, since) SELECT DISTINCT account_id, date, $3::timestamptz FROM (
			SELECT account_id, business_day(paid_at) AS date FROM payments WHERE (transfer_id = $2 OR id = nullif($4, '')) AND paid_at IS NOT NULL
			UNION ALL SELECT p.account_id, unnest(ARRAY[l.booked_on, business_day($3)]) FROM payments p JOIN statement_lines l ON l.id = $1 WHERE p.id = nullif($4, '')
			UNION ALL SELECT `+ownerOf+`, business_day(t.at) FROM bank_transfers t WHERE t.id = $2
			UNION ALL SELECT f.account_id, business_day(f.effective_at) FROM bank_transfers t JOIN refunds f ON f.manual AND f.status = 'succeeded' AND f.provider_transaction IN (t.id, nullif(t.bank_reference, '')) WHERE t.id = $2 AND t.direction = 'out') d
		WHERE account_id IS NOT NULL AND date IS NOT NULL ON CONFLICT DO NOTHING`, line, transfer, r.now(), reversed); err != nil {
		return fmt.Errorf("tying a statement's line: %w", err)
	}
	return nil
}

// oneStatement reads one import of a statement; sql.ErrNoRows where there is none.
func oneStatement(ctx context.Context, x sqlx.QueryerContext, where string, args ...any) (*StatementImport, error) {
	imp := &StatementImport{Statements: []StatementPart{}}
	var findings []byte
	if err := x.QueryRowxContext(ctx, `SELECT id, sha256, file_name, lines, findings, imported_by, recorded_at,
		(SELECT count(*) FROM statement_lines l WHERE l.import_id = i.id), coalesce((SELECT sum(amount) FILTER (WHERE amount > 0) FROM statement_lines l WHERE l.import_id = i.id), 0)::bigint,
		coalesce((SELECT -sum(amount) FILTER (WHERE amount < 0) FROM statement_lines l WHERE l.import_id = i.id), 0)::bigint
		FROM imports i WHERE `+where+` LIMIT 1`, args...).Scan(&imp.ID, &imp.SHA256, &imp.FileName, &imp.Lines, &findings, &imp.ImportedBy, &imp.RecordedAt, &imp.Added, &imp.Credits, &imp.Debits); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(findings, &imp.Findings); err != nil {
		return nil, err
	}
	return imp, sqlx.SelectContext(ctx, x, &imp.Statements, `SELECT bank_account, from_day::text, to_day::text, opening, closing, unchecked, layout FROM bank_statements WHERE import_id = $1 ORDER BY n`, imp.ID)
}

// StatementImport gives one import of a statement that the caller may see.
func (r *Reconciler) StatementImport(ctx context.Context, c gateway.Caller, id string) (*StatementImport, error) {
	imp, err := oneStatement(ctx, r.db, `id = $1 AND kind = 'statement'`, id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("import")
	}
	if err != nil {
		return nil, fmt.Errorf("reading import %s: %w", id, err)
	}
	for _, part := range imp.Statements {
		s := statement.Statement{Account: part.BankAccount}
		if err := r.whose(ctx, c, &s, ""); err != nil {
			return nil, notFound("import")
		}
	}
	return imp, nil
}
