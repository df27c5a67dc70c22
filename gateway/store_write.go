package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// effects is everything that one decision (or a batch of them) writes. It goes to the database as one statement, so that it
// costs one round trip however many tables it touches, and either all of it happens or none.
type effects struct {
	orders      []orderRow
	lines       []lineRow
	payers      []payerRow
	keys        []keyRow
	payments    []paymentRow
	allocations []allocationRow
	reversals   []reversalRow
	history     []historyRow
	moves       []moveRow
	outbox      []outboxRow
	callbacks   []callbackRow
	lookups     []lookupRow
	refunds     []refundRow
	receipts    []receiptRow
	audit       []auditRow
	counters    []counterRow
	voids       []voidRow
	dossiers    []dossierRow
	transfers   []transferRow
	tellings    []tellingRow
	lists       []listRow
	listItems   []listItemRow
	sentTo      []destinationRow

	applications []applicationRow

	orderChanges       []orderChange
	paymentChanges     []paymentChange
	refundChanges      []refundChange
	applicationChanges []applicationChange
}

// add takes in the effects of another decision, to be written by the same statement.
func (e *effects) add(o *effects) {
	e.orders, e.lines, e.payers, e.keys = append(e.orders, o.orders...), append(e.lines, o.lines...), append(e.payers, o.payers...), append(e.keys, o.keys...)
	e.payments, e.allocations = append(e.payments, o.payments...), append(e.allocations, o.allocations...)
	e.reversals, e.history = append(e.reversals, o.reversals...), append(e.history, o.history...)
	e.moves, e.outbox = append(e.moves, o.moves...), append(e.outbox, o.outbox...)
	e.callbacks, e.lookups = append(e.callbacks, o.callbacks...), append(e.lookups, o.lookups...)
	e.refunds, e.receipts, e.applications = append(e.refunds, o.refunds...), append(e.receipts, o.receipts...), append(e.applications, o.applications...)
	e.orderChanges, e.paymentChanges = append(e.orderChanges, o.orderChanges...), append(e.paymentChanges, o.paymentChanges...)
	e.audit, e.counters, e.voids = append(e.audit, o.audit...), append(e.counters, o.counters...), append(e.voids, o.voids...)
	e.dossiers = append(e.dossiers, o.dossiers...)
	e.lists, e.listItems, e.sentTo = append(e.lists, o.lists...), append(e.listItems, o.listItems...), append(e.sentTo, o.sentTo...)
	e.transfers, e.tellings = append(e.transfers, o.transfers...), append(e.tellings, o.tellings...)
	e.refundChanges, e.applicationChanges = append(e.refundChanges, o.refundChanges...), append(e.applicationChanges, o.applicationChanges...)
}

// errStale says that a guarded update did not hit its row: somebody else was faster. Read again and judge again.
var errStale = errors.New("the row has changed meanwhile")

// IsStale reports whether a decision met somebody else's change, or the database ended a deadlock with it: the transaction is rolled
// back and the decision made again on what stands then.
func IsStale(err error) bool {
	return errors.Is(err, errStale) || violated(err) == "order_lines_live" || deadlocked(err)
}

// deadlocked: two waited for each other and the database ended this one; nothing of it is written.
func deadlocked(err error) bool {
	var p *pq.Error
	return errors.As(err, &p) && p.Code == "40P01"
}

type section struct {
	name string
	sql  string // with %d for the parameter
	rows any
	n    int
}

func insertInto[T any](table string, rows []T) section {
	t := reflect.TypeFor[T]()
	cols := make([]string, 0, t.NumField())
	for i := range t.NumField() {
		cols = append(cols, t.Field(i).Tag.Get("json"))
	}
	list := strings.Join(cols, ", ")
	values := list
	if table == "payments" || table == "refunds" { // money that was found, and what goes back of it, may have no order
		values = strings.Replace(list, "order_id", "nullif(order_id, '')", 1)
	}
	return section{table, "INSERT INTO " + table + " (" + list + ") SELECT " + values + " FROM json_populate_recordset(NULL::" + table + ", $%d) RETURNING 1",
		rows, len(rows)}
}

// A changed order keeps its lines' liveness beside it: the partial unique index over live lines is the rule of one live
// order per fee, so a late payment that would make a second one live is refused by the database.
const changeOrders = `UPDATE orders o SET status = d.status, paid_amount = d.paid_amount, refunded_amount = d.refunded_amount,
	late = d.late, settled_at = d.settled_at
	FROM json_populate_recordset(NULL::orders, $%[1]d) d, json_to_recordset($%[1]d) AS g(id text, from_status text)
	WHERE o.id = d.id AND g.id = d.id AND o.status = g.from_status RETURNING 1`

const changeLines = `UPDATE order_lines l SET live = g.live FROM json_to_recordset($%d) AS g(id text, live boolean)
	WHERE l.order_id = g.id AND l.live <> g.live RETURNING 1`

const changePayments = `UPDATE payments p SET status = d.status, received_amount = d.received_amount, allocated_amount = d.allocated_amount,
	reserved_amount = d.reserved_amount, reserved_surplus = d.reserved_surplus, refunded_amount = d.refunded_amount,
	refunded_surplus = d.refunded_surplus, channel = d.channel, channel_rule = d.channel_rule, redirect = coalesce(d.redirect, p.redirect),
	provider_transaction = d.provider_transaction, code = d.code, reason = d.reason, in_doubt = d.in_doubt, paid_at = d.paid_at,
	recorded_at = d.recorded_at, next_lookup_at = d.next_lookup_at, last_lookup_at = d.last_lookup_at,
	last_lookup_outcome = d.last_lookup_outcome, lookups = d.lookups, lookup_lease_until = CASE WHEN d.lookups = p.lookups THEN p.lookup_lease_until END, transfer_id = coalesce(d.transfer_id, p.transfer_id),
	payer_kind = coalesce(nullif(d.payer_kind, ''), p.payer_kind), payer_bank = coalesce(nullif(d.payer_bank, ''), p.payer_bank),
	payer_masked = coalesce(nullif(d.payer_masked, ''), p.payer_masked), payer_digest = coalesce(d.payer_digest, p.payer_digest)
	FROM json_populate_recordset(NULL::payments, $%[1]d) d, json_to_recordset($%[1]d) AS g(id text, from_status text)
	WHERE p.id = d.id AND g.id = d.id AND p.status = g.from_status RETURNING 1`

const changeRefunds = `UPDATE refunds r SET status = d.status, provider_reference = d.provider_reference, provider_transaction = d.provider_transaction,
	code = d.code, decided_by = d.decided_by, decided_at = d.decided_at, submitted_at = d.submitted_at, sends = d.sends, in_doubt = d.in_doubt,
	effective_at = d.effective_at, recorded_at = d.recorded_at, next_lookup_at = d.next_lookup_at, lookups = d.lookups,
	last_lookup_at = d.last_lookup_at, listed_by = d.listed_by, lookup_lease_until = NULL
	FROM json_populate_recordset(NULL::refunds, $%[1]d) d, json_to_recordset($%[1]d) AS g(id text, from_status text)
	WHERE r.id = d.id AND g.id = d.id AND r.status = g.from_status RETURNING 1`

const changeApplications = `UPDATE surplus_applications a SET status = d.status, decided_by = d.decided_by, decided_at = d.decided_at
	FROM json_populate_recordset(NULL::surplus_applications, $%[1]d) d, json_to_recordset($%[1]d) AS g(id text, from_status text)
	WHERE a.id = d.id AND g.id = d.id AND a.status = g.from_status RETURNING 1`

func (e *effects) sections() []section {
	return []section{
		insertInto("bank_transfers", e.transfers), insertInto("bank_transfer_sources", e.tellings),
		insertInto("idempotency_keys", e.keys), insertInto("orders", e.orders), insertInto("order_lines", e.lines), insertInto("payers", e.payers),
		insertInto("payments", e.payments), insertInto("allocations", e.allocations), insertInto("reversals", e.reversals),
		insertInto("history", e.history), insertInto("moves", e.moves), insertInto("outbox", e.outbox),
		insertInto("callbacks", e.callbacks), insertInto("lookups", e.lookups), insertInto("refunds", e.refunds),
		insertInto("receipts", e.receipts), insertInto("audit", e.audit), insertInto("surplus_applications", e.applications),
		insertInto("refund_lists", e.lists), insertInto("refund_list_items", e.listItems), insertInto("refund_destinations", e.sentTo),
		insertInto("counter_payments", e.counters), insertInto("voids", e.voids), insertInto("dossiers", e.dossiers),
		{"order_changes", changeOrders, e.orderChanges, len(e.orderChanges)},
		{"line_changes", changeLines, e.orderChanges, -len(e.orderChanges)}, // any number of lines may change
		{"payment_changes", changePayments, e.paymentChanges, len(e.paymentChanges)},
		{"refund_changes", changeRefunds, e.refundChanges, len(e.refundChanges)},
		{"application_changes", changeApplications, e.applicationChanges, len(e.applicationChanges)},
	}
}

// write carries the effects out on x. errStale: a guard did not hold and the caller must roll back and judge again.
func (e *effects) write(ctx context.Context, x sqlx.QueryerContext) error {
	var with, counts []string
	var args []any
	var want []int
	for _, s := range e.sections() {
		if s.n == 0 {
			continue
		}
		raw, err := json.Marshal(s.rows)
		if err != nil {
			return fmt.Errorf("writing %s: %w", s.name, err)
		}
		args = append(args, string(raw))
		with = append(with, "w_"+s.name+" AS ("+fmt.Sprintf(s.sql, len(args))+")")
		counts = append(counts, "(SELECT count(*) FROM w_"+s.name+")")
		want = append(want, s.n)
	}
	if len(with) == 0 {
		return nil
	}
	got := make([]int64, len(want))
	into := make([]any, len(want))
	for i := range got {
		into[i] = &got[i]
	}
	if err := x.QueryRowxContext(ctx, "WITH "+strings.Join(with, ",\n")+"\nSELECT "+strings.Join(counts, ", "), args...).Scan(into...); err != nil {
		return fmt.Errorf("writing the record: %w", err)
	}
	for i, n := range want {
		if n > 0 && got[i] != int64(n) {
			return errStale
		}
	}
	return nil
}

// transact runs f in a transaction; f's error rolls it back.
func transact(ctx context.Context, db *sqlx.DB, f func(*sqlx.Tx) error) error {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	defer tx.Rollback() // after a commit it does nothing; a dead connection has rolled back by itself
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// violated gives the name of the constraint that the database says was violated, or "".
func violated(err error) string {
	var p *pq.Error
	if errors.As(err, &p) && p.Code.Class() == "23" {
		return p.Constraint
	}
	return ""
}
