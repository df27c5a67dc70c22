-- +goose Up
-- The rate at scale. report_facts has what the definition says of each dossier as everything known has it: one row for each thing that the
-- report counts. report_cubes has their sums. Both are kept by the folder (reconciliation/adoption) and can be thrown away: a mark '*' has
-- them made again.
CREATE TABLE report_facts (
    at             timestamptz NOT NULL,
    net            bigint NOT NULL,
    phi            bigint NOT NULL,
    le_phi         bigint NOT NULL,
    nvtc           bigint NOT NULL,
    due            bigint NOT NULL,
    day            date NOT NULL, -- business day of at
    at_counter     boolean NOT NULL,
    bank_proven    boolean NOT NULL,
    payer_unknown  boolean NOT NULL,
    closed         boolean NOT NULL,
    unpaid         boolean NOT NULL,
    all_online     boolean NOT NULL,
    doubtful       boolean NOT NULL,
    covered        boolean NOT NULL,
    subject        text NOT NULL,
    source_system  text NOT NULL,
    dossier_code   text NOT NULL,
    order_id       text NOT NULL DEFAULT '', -- '': of the dossier itself
    agency_code    text NOT NULL,
    procedure_code text NOT NULL,
    provider       text,
    channel        text,
    bucket         text,
    PRIMARY KEY (source_system, dossier_code, subject, order_id)
);
-- A list behind a figure goes from day to day and agency to agency.
CREATE INDEX report_facts_cell ON report_facts (day, agency_code, subject, bucket);

-- grain: m or d (whole months, days), then a by agency, p by procedure, c by provider and channel; a column that the grain lacks is ''. A sum is NULL
-- where it is 0. Each column is a figure of the catalogue of figures, or what one of them is within a bucket.
CREATE TABLE report_cubes (
    grain          text NOT NULL,
    day            date NOT NULL, -- a month's first
    procedure_code text NOT NULL,
    provider       text NOT NULL,
    channel        text NOT NULL,
    agency_code    text NOT NULL,
    amount bigint, amount_denominator bigint, bank_proven bigint, units bigint, cash bigint, closed_unpaid bigint, coverage bigint,
    coverage_denominator bigint, dossiers bigint, dossiers_denominator bigint, exempt bigint, incomplete bigint, le_phi bigint,
    le_phi_denominator bigint, mixed bigint, noncash_other bigint, nvtc bigint, nvtc_denominator bigint, online bigint,
    online_provisional bigint, payer_unknown bigint, phi bigint, phi_denominator bigint, proxy bigint, refunded bigint,
    transactions_remote bigint, transactions_upper bigint, unproven bigint, bucket_online_provisional_net bigint,
    bucket_online_provisional_phi bigint, bucket_online_provisional_le_phi bigint, bucket_online_provisional_nvtc bigint,
    bucket_mixed_net bigint, bucket_mixed_phi bigint, bucket_mixed_le_phi bigint, bucket_mixed_nvtc bigint,
    bucket_incomplete_net bigint, bucket_incomplete_phi bigint, bucket_incomplete_le_phi bigint, bucket_incomplete_nvtc bigint,
    bucket_proxy_net bigint, bucket_proxy_phi bigint, bucket_proxy_le_phi bigint, bucket_proxy_nvtc bigint, bucket_unproven_net bigint,
    bucket_unproven_phi bigint, bucket_unproven_le_phi bigint, bucket_unproven_nvtc bigint, bucket_noncash_other_net bigint,
    bucket_noncash_other_phi bigint, bucket_noncash_other_le_phi bigint, bucket_noncash_other_nvtc bigint, bucket_cash_net bigint,
    bucket_cash_phi bigint, bucket_cash_le_phi bigint, bucket_cash_nvtc bigint,
    PRIMARY KEY (grain, day, procedure_code, provider, channel, agency_code)
) WITH (fillfactor = 80);
CREATE INDEX report_cubes_agency ON report_cubes (grain, agency_code, day);

-- "This may have changed": written by the very transaction that changes it, never a counter. What a mark means is looked up when it is folded, so
-- that of two transactions that belong together the later one's mark sees both.
--   p payment · o order · d dossier (key source system, key2 code) · n the same of a new order · m matches lo … hi · y payout · a an account's day (key2), its
--   lines after … upto · x transfer · s deposit · g payer's account (digest) · * everything after (key, key2)
CREATE TABLE report_marks (
    what  "char" NOT NULL,
    key   text NOT NULL DEFAULT '',
    key2  text NOT NULL DEFAULT '',
    after text,
    upto  text,
    lo    bigint,
    hi    bigint,
    at    timestamptz -- when what changed was recorded, or ends; NULL: it counts at all times
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- Which dossiers changed when, so that a question as of a little earlier need not count all again. Older ones are let go: what was before
-- report_state.complete_since is not told here.
CREATE TABLE report_changes (
    at            timestamptz NOT NULL,
    source_system text NOT NULL,
    dossier_code  text NOT NULL
);
CREATE INDEX report_changes_at ON report_changes (at);
CREATE TABLE report_state (
    id             boolean PRIMARY KEY DEFAULT true CHECK (id),
    complete_since timestamptz NOT NULL DEFAULT '-infinity',
    beat_at        timestamptz -- the clock, told every second where reports are read from a replica: what it knows of
);
INSERT INTO report_state DEFAULT VALUES;
INSERT INTO report_marks (what) SELECT '*' WHERE EXISTS (SELECT FROM orders) OR EXISTS (SELECT FROM dossiers);
INSERT INTO report_marks (what, key, at) SELECT 'g', encode(digest, 'hex'), greatest(recorded_at, ended_at) FROM staff_accounts
    UNION ALL SELECT 'g', encode(digest, 'hex'), greatest(recorded_at, ended_at) FROM payer_flags;

GRANT SELECT, INSERT, UPDATE, DELETE ON report_facts, report_cubes, report_marks, report_changes TO feegate_service;
GRANT SELECT, UPDATE ON report_state TO feegate_service;

-- The marks. Statement by statement where many rows come at once; row by row, and only where a report can tell the difference, where a row is
-- changed on the hot path.
-- +goose StatementBegin
CREATE FUNCTION mark_allocations() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO report_marks (what, key, at) SELECT 'p', payment_id, recorded_at FROM added; RETURN NULL; END $$;
CREATE FUNCTION mark_orders() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO report_marks (what, key, key2, at) SELECT 'n', source_system, dossier_code, created_at FROM added; RETURN NULL; END $$;
CREATE FUNCTION mark_order_lines() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO report_marks (what, key) SELECT DISTINCT 'o'::"char", order_id FROM added WHERE NOT coalesce(( -- one mark is enough where the order comes with its lines; looked up one by one: a join would read all orders
        SELECT o.xmin = pg_current_xact_id()::xid AND o.status IN ('open', 'no_payment_needed') FROM orders o WHERE o.id = added.order_id), false); RETURN NULL; END $$;
CREATE FUNCTION mark_order() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO report_marks (what, key) VALUES ('o', NEW.id);
    INSERT INTO report_marks (what, key, key2) VALUES ('d', OLD.source_system, OLD.dossier_code); RETURN NULL; END $$;
CREATE FUNCTION mark_order_line() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO report_marks (what, key) VALUES ('o', OLD.order_id), ('o', NEW.order_id); RETURN NULL; END $$;
CREATE FUNCTION mark_history() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO report_marks (what, key, at) VALUES ('o', NEW.object_id, NEW.recorded_at); RETURN NULL; END $$;
CREATE FUNCTION mark_payment() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO report_marks (what, key, at) VALUES ('p', NEW.id, NEW.recorded_at); RETURN NULL; END $$;
CREATE FUNCTION mark_of_payment() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN -- of a row that names one
    INSERT INTO report_marks (what, key, at) SELECT 'p', NEW.payment_id, NEW.recorded_at WHERE NEW.payment_id IS NOT NULL; RETURN NULL; END $$;
CREATE FUNCTION mark_counter_payments() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO report_marks (what, key) SELECT 'p', payment_id FROM added; RETURN NULL; END $$;
CREATE FUNCTION mark_dossiers() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO report_marks (what, key, key2, at) SELECT 'd', source_system, dossier_code, max(recorded_at) FROM added GROUP BY source_system, dossier_code; RETURN NULL; END $$;
-- An import matches a million lines at once: their numbers lie close together, and are one mark.
CREATE FUNCTION mark_matches() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE n bigint; first bigint; last bigint; known timestamptz;
BEGIN
    SELECT count(*), min(id), max(id), max(greatest(recorded_at, ended_at)) INTO n, first, last, known FROM added;
    IF last - first < 4 * n THEN
        INSERT INTO report_marks (what, lo, hi, at) VALUES ('m', first, last, known);
    ELSE
        INSERT INTO report_marks (what, key, at) SELECT 'p', payment_id, known FROM added WHERE payment_id IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION mark_payouts() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO report_marks (what, key, at) SELECT 'y', id, greatest(recorded_at, ended_at) FROM added; RETURN NULL; END $$;
CREATE FUNCTION mark_payout_days() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO report_marks (what, key) SELECT DISTINCT 'y'::"char", payout_id FROM added; RETURN NULL; END $$;
CREATE FUNCTION mark_deposits() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN -- of slips and of what the bank's lines are used for
    INSERT INTO report_marks (what, key) SELECT DISTINCT 's'::"char", deposit_id FROM added WHERE deposit_id IS NOT NULL; RETURN NULL; END $$;
CREATE FUNCTION mark_transfers() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO report_marks (what, key, at) SELECT 'x', transfer_id, recorded_at FROM added; RETURN NULL; END $$;
CREATE FUNCTION mark_discrepancies() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO report_marks (what, key, at) SELECT 'p', payment_id, recorded_at FROM added
        WHERE payment_id IS NOT NULL AND kind IN ('in_doubt', 'wrong_account', 'reversal'); RETURN NULL; END $$;
CREATE FUNCTION mark_discrepancy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO report_marks (what, key, at) SELECT 'p', x, NEW.recorded_at FROM unnest(ARRAY[OLD.payment_id, NEW.payment_id]) x WHERE x IS NOT NULL; RETURN NULL; END $$;
CREATE FUNCTION mark_discrepancy_history() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO report_marks (what, key, at) SELECT 'p', d.payment_id, a.recorded_at FROM added a JOIN discrepancies d ON d.id = a.discrepancy_id
        WHERE d.payment_id IS NOT NULL AND d.kind IN ('in_doubt', 'wrong_account', 'reversal'); RETURN NULL; END $$;
CREATE FUNCTION mark_payers() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO report_marks (what, key, at) SELECT 'g', encode(digest, 'hex'), greatest(recorded_at, ended_at) FROM added; RETURN NULL; END $$;
-- +goose StatementEnd
CREATE TRIGGER allocations_mark AFTER INSERT ON allocations REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_allocations();
CREATE TRIGGER orders_mark_new AFTER INSERT ON orders REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_orders();
-- Open, paid and partly refunded are all the same to what a dossier owes.
CREATE TRIGGER orders_mark AFTER UPDATE OF status ON orders FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status AND NOT (OLD.status IN ('open', 'paid', 'partly_refunded') AND NEW.status IN ('open', 'paid', 'partly_refunded'))) EXECUTE FUNCTION mark_order();
CREATE TRIGGER orders_mark_told AFTER UPDATE OF source_system, dossier_code, agency_code, procedure_code, amount, kinds, mode, created_at ON orders FOR EACH ROW EXECUTE FUNCTION mark_order();
CREATE TRIGGER order_lines_mark_new AFTER INSERT ON order_lines REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_order_lines();
CREATE TRIGGER order_lines_mark AFTER UPDATE OF order_id, fee_code, purpose, kind, gross, net ON order_lines FOR EACH ROW EXECUTE FUNCTION mark_order_line();
CREATE TRIGGER history_mark AFTER INSERT ON history FOR EACH ROW
    WHEN (left(NEW.object_id, 4) NOT IN ('pay_', 'rfd_') AND NOT (NEW.from_status IN ('open', 'paid', 'partly_refunded') AND NEW.to_status IN ('open', 'paid', 'partly_refunded'))) EXECUTE FUNCTION mark_history();
-- A payment that succeeds is marked by its allocations; while it has not, their marks wait.
CREATE TRIGGER payments_mark AFTER UPDATE OF status, mode, provider, channel, paid_at, recorded_at, payer_digest, transfer_id, account_id ON payments FOR EACH ROW
    WHEN (OLD.status IN ('succeeded', 'reversed') AND (OLD.status, OLD.mode, OLD.provider, OLD.channel, OLD.paid_at, OLD.recorded_at, OLD.payer_digest, OLD.transfer_id, OLD.account_id)
        IS DISTINCT FROM (NEW.status, NEW.mode, NEW.provider, NEW.channel, NEW.paid_at, NEW.recorded_at, NEW.payer_digest, NEW.transfer_id, NEW.account_id)) EXECUTE FUNCTION mark_payment();
CREATE TRIGGER counter_payments_mark AFTER INSERT ON counter_payments REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_counter_payments();
CREATE TRIGGER reversals_mark AFTER INSERT ON reversals FOR EACH ROW EXECUTE FUNCTION mark_of_payment();
CREATE TRIGGER refunds_mark_new AFTER INSERT ON refunds FOR EACH ROW WHEN (NEW.status = 'succeeded') EXECUTE FUNCTION mark_of_payment();
CREATE TRIGGER refunds_mark AFTER UPDATE OF status, recorded_at, allocated_part, order_id ON refunds FOR EACH ROW WHEN (NEW.status = 'succeeded' OR OLD.status = 'succeeded') EXECUTE FUNCTION mark_of_payment();
CREATE TRIGGER dossiers_mark AFTER INSERT ON dossiers REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_dossiers();
CREATE TRIGGER matches_mark_new AFTER INSERT ON matches REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_matches();
CREATE TRIGGER matches_mark AFTER UPDATE ON matches REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_matches();
CREATE TRIGGER payouts_mark_new AFTER INSERT ON payouts REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_payouts();
CREATE TRIGGER payouts_mark AFTER UPDATE ON payouts REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_payouts();
CREATE TRIGGER payout_days_mark AFTER INSERT ON payout_days REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_payout_days();
CREATE TRIGGER bank_uses_mark_new AFTER INSERT ON bank_uses REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_deposits();
CREATE TRIGGER bank_uses_mark AFTER UPDATE ON bank_uses REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_deposits();
CREATE TRIGGER deposit_items_mark AFTER INSERT ON deposit_items REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_deposits();
CREATE TRIGGER statement_transfers_mark AFTER INSERT ON statement_transfers REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_transfers();
CREATE TRIGGER discrepancies_mark_new AFTER INSERT ON discrepancies REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_discrepancies();
CREATE TRIGGER discrepancies_mark AFTER UPDATE OF kind, payment_id, recorded_at ON discrepancies FOR EACH ROW
    WHEN ((OLD.kind, OLD.payment_id, OLD.recorded_at) IS DISTINCT FROM (NEW.kind, NEW.payment_id, NEW.recorded_at)) EXECUTE FUNCTION mark_discrepancy();
CREATE TRIGGER discrepancy_history_mark AFTER INSERT ON discrepancy_history REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_discrepancy_history();
CREATE TRIGGER staff_accounts_mark_new AFTER INSERT ON staff_accounts REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_payers();
CREATE TRIGGER staff_accounts_mark AFTER UPDATE ON staff_accounts REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_payers();
CREATE TRIGGER payer_flags_mark_new AFTER INSERT ON payer_flags REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_payers();
CREATE TRIGGER payer_flags_mark AFTER UPDATE ON payer_flags REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION mark_payers();

CREATE INDEX bank_uses_of_deposit ON bank_uses (deposit_id) WHERE deposit_id IS NOT NULL;
CREATE INDEX discrepancies_doubt ON discrepancies (payment_id) WHERE kind IN ('in_doubt', 'wrong_account', 'reversal');
CREATE INDEX payments_of_payer ON payments (payer_digest) WHERE payer_digest IS NOT NULL;

-- What proves a payment, as before; each proof is looked up by the payment, so that asking about a few does not read all.
CREATE OR REPLACE FUNCTION evidence_at(as_of timestamptz)
    RETURNS TABLE (payment_id text, evidence text, line_id bigint, bank_proven boolean)
    LANGUAGE sql STABLE AS $$
    SELECT p.id,
        CASE WHEN v.payment_id IS NOT NULL THEN 'reversed'
             WHEN p.account_id IS NULL AND c.receipt_number IS NULL THEN 'none'
             WHEN b.doubted THEN 'disputed'
             WHEN m.line_id IS NOT NULL OR b.stated THEN 'confirmed'
             ELSE 'provisional' END,
        m.line_id, b.stated OR b.paid_out
    FROM payments p
    LEFT JOIN reversals v ON v.payment_id = p.id AND v.recorded_at <= as_of
    LEFT JOIN counter_payments c ON c.payment_id = p.id
    LEFT JOIN matches m ON m.payment_id = p.id AND m.recorded_at <= as_of AND (m.ended_at IS NULL OR m.ended_at > as_of)
    LEFT JOIN settlement_lines l ON l.id = m.line_id
    CROSS JOIN LATERAL (SELECT
        EXISTS (SELECT FROM discrepancies x WHERE x.payment_id = p.id AND x.kind IN ('in_doubt', 'wrong_account', 'reversal') AND x.recorded_at <= as_of
            AND coalesce((SELECT h.status FROM discrepancy_history h WHERE h.discrepancy_id = x.id AND h.recorded_at <= as_of ORDER BY h.id DESC LIMIT 1), 'open') <> 'resolved') AS doubted,
        (p.transfer_id IS NOT NULL AND EXISTS (SELECT FROM statement_transfers x WHERE x.transfer_id = p.transfer_id AND x.recorded_at <= as_of))
            OR (c.receipt_number IS NOT NULL AND EXISTS (SELECT FROM deposit_items i JOIN bank_uses u ON u.deposit_id = i.deposit_id
                WHERE i.payment_id = p.id AND u.recorded_at <= as_of AND (u.ended_at IS NULL OR u.ended_at > as_of))) AS stated,
        m.line_id IS NOT NULL AND EXISTS (SELECT FROM payout_days pd JOIN payouts y ON y.id = pd.payout_id
            WHERE pd.account_id = l.account_id AND pd.date = l.date AND y.proven AND y.recorded_at <= as_of AND (y.ended_at IS NULL OR y.ended_at > as_of)) AS paid_out
        OFFSET 0) b -- once, however often it is asked for
    WHERE p.recorded_at <= as_of AND p.status IN ('succeeded', 'reversed')
$$;
