-- +goose Up
-- Discrepancies as a work list: a deadline by kind, who does what about each, what was asked of whom, what was attached, and events.

-- Working days are counted by the calendar's own table and function, made with the bank's side; alike where they are not there yet.
-- +goose StatementBegin
DO $do$
BEGIN
    CREATE TABLE IF NOT EXISTS holidays (date date PRIMARY KEY, name text NOT NULL);
    GRANT SELECT, INSERT ON holidays TO feegate_service;
    IF to_regproc('working_day_after') IS NULL THEN
        CREATE FUNCTION working_day_after(day date, n int) RETURNS date LANGUAGE sql STABLE AS $$
            SELECT d::date FROM generate_series(day + 1, day + 2 * n + 60, interval '1 day') AS d
            WHERE extract(isodow FROM d) < 6 AND NOT EXISTS (SELECT FROM holidays h WHERE h.date = d::date) ORDER BY d OFFSET greatest(n, 1) - 1 LIMIT 1
        $$;
    END IF;
END $do$;
-- +goose StatementEnd
GRANT EXECUTE ON FUNCTION working_day_after TO feegate_service;

-- In how many working days a discrepancy of a kind is to be dealt with, unless a person says otherwise.
CREATE TABLE discrepancy_terms (kind text PRIMARY KEY, working_days int NOT NULL CHECK (working_days BETWEEN 1 AND 60));
INSERT INTO discrepancy_terms VALUES ('missing_at_gateway', 1), ('duplicate_line', 1), ('file_missing', 1), ('statement_gap', 1),
    ('missing_at_provider', 2), ('amount_mismatch', 2), ('status_mismatch', 2), ('wrong_account', 2), ('in_doubt', 2), ('reversal', 2),
    ('refund_unmatched', 3), ('fee_mismatch', 3), ('bank_short', 3), ('bank_over', 3), ('bank_unmatched', 3), ('late', 3), ('surplus', 5);
GRANT SELECT ON discrepancy_terms TO feegate_service;
UPDATE discrepancies d SET deadline = working_day_after(business_day(d.recorded_at), t.working_days)
    FROM discrepancy_terms t WHERE t.kind = d.kind AND d.status <> 'resolved' AND d.deadline IS NULL;

CREATE INDEX discrepancies_due ON discrepancies (deadline) WHERE status <> 'resolved';
-- The work list's own order: what is not resolved, by deadline, then the rest.
CREATE INDEX discrepancies_worklist ON discrepancies ((CASE status WHEN 'resolved' THEN 1000000 ELSE 0 END + coalesce(deadline - DATE '2000-01-01', 999999)), id);
CREATE INDEX discrepancies_owner ON discrepancies (owner) WHERE status <> 'resolved';

-- What a change was, and whose the discrepancy was after it.
ALTER TABLE discrepancy_history ADD COLUMN what text NOT NULL DEFAULT ''
        CHECK (what IN ('', 'assigned', 'noted', 'attached', 'asked', 'answered', 'proposed', 'done', 'approved', 'rejected', 'reopened')),
    ADD COLUMN owner text,
    ADD COLUMN deadline date;

-- A trace request (tra soát): what was asked of whom, when, and the answer, which is given once.
CREATE TABLE discrepancy_traces (
    discrepancy_id text NOT NULL REFERENCES discrepancies,
    n              int NOT NULL,
    asked_of       text NOT NULL,
    question       text NOT NULL,
    due            date NOT NULL,
    asked_by       text NOT NULL,
    asked_at       timestamptz NOT NULL,
    answer         text,
    answered_by    text, -- who wrote it down
    answered_at    timestamptz,
    PRIMARY KEY (discrepancy_id, n),
    CHECK (num_nulls(answer, answered_by, answered_at) IN (0, 3))
);
CREATE UNIQUE INDEX discrepancy_traces_one_open ON discrepancy_traces (discrepancy_id) WHERE answer IS NULL;
-- +goose StatementBegin
CREATE FUNCTION only_answer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.answer IS NOT NULL
       OR (to_jsonb(NEW) - '{answer,answered_by,answered_at}'::text[]) IS DISTINCT FROM (to_jsonb(OLD) - '{answer,answered_by,answered_at}'::text[]) THEN
        RAISE EXCEPTION '% is append-only; the answer may be given once', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER discrepancy_traces_answer BEFORE UPDATE OR DELETE ON discrepancy_traces FOR EACH ROW EXECUTE FUNCTION only_answer();
CREATE TRIGGER discrepancy_traces_no_truncate BEFORE TRUNCATE ON discrepancy_traces FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

-- Papers: sealed, since nobody knows whom they name.
CREATE TABLE discrepancy_attachments (
    discrepancy_id text NOT NULL REFERENCES discrepancies,
    n              int NOT NULL CHECK (n BETWEEN 1 AND 20),
    name           text NOT NULL,
    type           text NOT NULL,
    size           int NOT NULL CHECK (size BETWEEN 1 AND 5242880),
    sha256         text NOT NULL,
    content_sealed bytea NOT NULL,
    recorded_by    text NOT NULL,
    recorded_at    timestamptz NOT NULL,
    PRIMARY KEY (discrepancy_id, n),
    UNIQUE (discrepancy_id, sha256)
);
ALTER TABLE discrepancy_attachments ALTER COLUMN content_sealed SET STORAGE EXTERNAL; -- what is sealed does not shrink
CREATE TRIGGER discrepancy_attachments_append_only BEFORE UPDATE OR DELETE ON discrepancy_attachments FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER discrepancy_attachments_no_truncate BEFORE TRUNCATE ON discrepancy_attachments FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
GRANT SELECT, INSERT ON discrepancy_attachments, discrepancy_traces TO feegate_service;
GRANT UPDATE (answer, answered_by, answered_at) ON discrepancy_traces TO feegate_service;

-- Whoever changes a discrepancy writes its history; what the history is told in one statement is followed up here, as sets: what the
-- matching opened gets its deadline, and the source system of the order that it is about gets an event, in the same transaction. It
-- holds no person and nobody's words. One that is about no order is nobody's event. The plan is kept by the session, whatever number of rows
-- it was made for: it goes by the indexes, so that one change after a matching of ten thousand does not read the whole table.
-- +goose StatementBegin
CREATE FUNCTION follow_discrepancies() RETURNS trigger LANGUAGE plpgsql SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM told WHERE what NOT IN ('noted', 'attached')) THEN
        RETURN NULL;
    END IF;
    WITH fresh AS MATERIALIZED (
        SELECT d.id, d.kind, business_day(c.recorded_at) AS day FROM told c JOIN discrepancies d ON d.id = c.discrepancy_id
        WHERE c.what = '' AND d.status = 'open' AND (d.deadline IS NULL
            OR (SELECT h.status FROM discrepancy_history h WHERE h.discrepancy_id = c.discrepancy_id AND h.id < c.id ORDER BY h.id DESC LIMIT 1) = 'resolved')),
    due AS MATERIALIZED (
        SELECT kind, day, working_day_after(day, working_days) AS due FROM (SELECT DISTINCT kind, day FROM fresh) f JOIN discrepancy_terms USING (kind))
    UPDATE discrepancies d SET deadline = due.due FROM fresh f JOIN due USING (kind, day) WHERE d.id = f.id;

    INSERT INTO outbox (event_id, type, client_id, source_system, order_id, body, recorded_at)
    SELECT e.id, e.type, e.client_id, e.source_system, e.order_id, json_build_object('id', e.id, 'type', e.type,
            'timestamp', to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'version', 1, 'data', json_build_object(
                'id', e.discrepancy_id, 'order', e.order_id, 'payment_id', e.payment_id, 'refund_id', e.refund_id, 'account_id', e.account_id, 'date', e.date::text,
                'kind', e.kind, 'status', e.status, 'amount', e.amount, 'effect', e.effect, 'bank_effect', e.bank_effect, 'action', e.action, 'deadline', e.deadline::text,
                'resolved_at', to_char(e.resolved_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))::text, e.at
    FROM (
        SELECT c.id AS n, 'evt_dis' || c.id AS id, c.recorded_at AS at, o.client_id, o.source_system, o.id AS order_id, d.id AS discrepancy_id, d.account_id, d.date, d.kind, d.status,
            d.amount, d.effect, d.bank_effect, p.id AS payment_id, d.refund_id, d.action, d.deadline, d.resolved_at,
            'discrepancy.' || CASE WHEN d.status = 'resolved' AND was.status IS DISTINCT FROM 'resolved' THEN 'resolved' WHEN was.status IS NULL THEN 'opened'
                WHEN was.status = 'resolved' AND d.status <> 'resolved' THEN 'reopened' ELSE 'changed' END AS type
        FROM told c JOIN discrepancies d ON d.id = c.discrepancy_id LEFT JOIN refunds f ON f.id = d.refund_id
        JOIN payments p ON p.id = coalesce(d.payment_id, f.payment_id) JOIN orders o ON o.id = p.order_id
        LEFT JOIN LATERAL (SELECT h.status FROM discrepancy_history h WHERE h.discrepancy_id = c.discrepancy_id AND h.id < c.id ORDER BY h.id DESC LIMIT 1) was ON true
        WHERE c.what NOT IN ('noted', 'attached')) e ORDER BY e.n;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER discrepancy_history_follow AFTER INSERT ON discrepancy_history REFERENCING NEW TABLE AS told FOR EACH STATEMENT EXECUTE FUNCTION follow_discrepancies();
