-- +goose Up
-- The bank's side: which credits pay which days out, which bring a slip's cash, and which belong to nothing.

-- Days on which nobody works, as data: a province adds what the State announces. Weekends are none of them.
CREATE TABLE holidays (date date PRIMARY KEY, name text NOT NULL);
GRANT SELECT, INSERT, UPDATE, DELETE ON holidays TO feegate_service;
-- Labour Code art. 112: New Year, Tết (5 days), Hùng Kings (10/3 lunar), 30/4, 1/5, National Day (2 days); a day that falls on a weekend is
-- made good on the next working day. Lunar days computed for UTC+7; which five days Tết takes is announced each autumn: those after 2026 are the
-- eve and the four days after it, until somebody corrects them.
INSERT INTO holidays (date, name) SELECT d::date, name FROM (VALUES
    ('2025-01-01', '2025-01-01', 'Tết Dương lịch'), ('2025-01-27', '2025-01-31', 'Tết Nguyên đán'), ('2025-04-07', '2025-04-07', 'Giỗ Tổ Hùng Vương'), ('2025-04-30', '2025-05-01', '30/4 và 1/5'), ('2025-09-01', '2025-09-02', 'Quốc khánh'),
    ('2026-01-01', '2026-01-01', 'Tết Dương lịch'), ('2026-02-16', '2026-02-20', 'Tết Nguyên đán'), ('2026-04-27', '2026-04-27', 'Giỗ Tổ Hùng Vương (nghỉ bù)'), ('2026-04-30', '2026-05-01', '30/4 và 1/5'), ('2026-09-01', '2026-09-02', 'Quốc khánh'),
    ('2027-01-01', '2027-01-01', 'Tết Dương lịch'), ('2027-02-05', '2027-02-05', 'Tết Nguyên đán'), ('2027-02-08', '2027-02-11', 'Tết Nguyên đán'), ('2027-04-16', '2027-04-16', 'Giỗ Tổ Hùng Vương'), ('2027-04-30', '2027-04-30', '30/4'), ('2027-05-03', '2027-05-03', '1/5 (nghỉ bù)'), ('2027-09-02', '2027-09-03', 'Quốc khánh'),
    ('2028-01-03', '2028-01-03', 'Tết Dương lịch (nghỉ bù)'), ('2028-01-25', '2028-01-28', 'Tết Nguyên đán'), ('2028-01-31', '2028-01-31', 'Tết Nguyên đán (nghỉ bù)'), ('2028-04-04', '2028-04-04', 'Giỗ Tổ Hùng Vương'), ('2028-05-01', '2028-05-02', '30/4 (nghỉ bù) và 1/5'), ('2028-09-01', '2028-09-01', 'Quốc khánh'), ('2028-09-04', '2028-09-04', 'Quốc khánh (nghỉ bù)'),
    ('2029-01-01', '2029-01-01', 'Tết Dương lịch'), ('2029-02-12', '2029-02-16', 'Tết Nguyên đán'), ('2029-04-23', '2029-04-23', 'Giỗ Tổ Hùng Vương'), ('2029-04-30', '2029-05-01', '30/4 và 1/5'), ('2029-09-03', '2029-09-04', 'Quốc khánh (nghỉ bù)'),
    ('2030-01-01', '2030-01-01', 'Tết Dương lịch'), ('2030-02-01', '2030-02-01', 'Tết Nguyên đán'), ('2030-02-04', '2030-02-07', 'Tết Nguyên đán'), ('2030-04-12', '2030-04-12', 'Giỗ Tổ Hùng Vương'), ('2030-04-30', '2030-05-01', '30/4 và 1/5'), ('2030-09-02', '2030-09-03', 'Quốc khánh')
) AS h (first, last, name), generate_series(first::date, last::date, interval '1 day') d;

-- The n-th working day after a day.
CREATE FUNCTION working_day_after(day date, n int) RETURNS date LANGUAGE sql STABLE AS $$
    SELECT d::date FROM generate_series(day + 1, day + 40 + 2 * n, interval '1 day') d
    WHERE extract(isodow FROM d) < 6 AND NOT EXISTS (SELECT FROM holidays h WHERE h.date = d::date) ORDER BY d OFFSET n - 1 LIMIT 1
$$;

-- When a day's settlement is missed: at 07:30 of the first working day after the provider has settled the day and its cut-off has passed.
CREATE OR REPLACE FUNCTION settlement_due(account text, day date) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT (working_day_after(greatest(CASE WHEN s.cutoff <= '07:30' THEN s.settles - 1 ELSE s.settles END, day), 1) + time '07:30' - interval '7 hours') AT TIME ZONE 'UTC'
    FROM (SELECT a.cutoff, coalesce((
            SELECT d::date FROM generate_series(day + least((a.calendar->>'days')::int, 1), day + 400, interval '1 day') d
            WHERE a.calendar->'weekdays' @> to_jsonb(extract(isodow FROM d)::int) AND NOT coalesce(a.calendar->'holidays', '[]') ? to_char(d, 'YYYY-MM-DD')
            ORDER BY d OFFSET greatest((a.calendar->>'days')::int - 1, 0) LIMIT 1), day + 400) AS settles
        FROM merchant_accounts a WHERE a.id = account) s
$$;

-- Whose money comes into a bank account: every merchant account that ever had it as its beneficiary.
CREATE VIEW account_banks AS SELECT DISTINCT account_id, regexp_replace(upper(number), '[^0-9A-Z]', '', 'g') AS bank_account FROM account_beneficiaries
    WHERE status = 'approved' AND number <> '';

-- What a line says of itself besides a reference: whose payout it is, and of which days.
ALTER TABLE statement_lines ADD COLUMN hint_account text REFERENCES merchant_accounts, ADD COLUMN hint_provider text NOT NULL DEFAULT '', ADD COLUMN hint_days date[] NOT NULL DEFAULT '{}';
CREATE INDEX statement_lines_booked ON statement_lines (booked_on);
CREATE INDEX bank_transfers_debits ON bank_transfers (bank_reference) WHERE direction = 'out' AND bank_reference <> '';
CREATE INDEX statement_lines_hint ON statement_lines (hint_account, booked_on) WHERE hint_account IS NOT NULL;
-- The payment that a reversal's debit takes back.
ALTER TABLE statement_transfers ADD COLUMN reverses text REFERENCES payments;
CREATE INDEX statement_transfers_reverses ON statement_transfers (reverses) WHERE reverses IS NOT NULL;

-- A payout: one or more credits of the bank that pay one or more days out, net of fees and refunds. What is in force is not ended; a payout that
-- turns out otherwise ends, and another takes its place. proven: at least what the days' files say has come.
DROP FUNCTION evidence_at;
DROP TABLE payouts;
CREATE TABLE payouts (
    id           text PRIMARY KEY,
    bank_account text NOT NULL,
    rule         text NOT NULL CHECK (rule IN ('named', 'amount', 'person')), -- the text names terminal and day · terminal or provider, and the sum is that of one run of days alone · a person said so
    reason       text NOT NULL DEFAULT '',
    proven       boolean NOT NULL,
    recorded_by  text NOT NULL,
    recorded_at  timestamptz NOT NULL,
    ended_at     timestamptz
);
-- net: what the day's files said then; amount: what of the credits is this day's; counts_on: the day whose bank side has it, the day itself unless it was closed by then.
CREATE TABLE payout_days (
    payout_id  text NOT NULL REFERENCES payouts,
    account_id text NOT NULL REFERENCES merchant_accounts,
    date       date NOT NULL,
    net        signed_vnd NOT NULL,
    amount     signed_vnd NOT NULL,
    counts_on  date NOT NULL,
    ended_at   timestamptz,
    PRIMARY KEY (payout_id, account_id, date)
);
CREATE UNIQUE INDEX payout_days_once ON payout_days (account_id, date) WHERE ended_at IS NULL;
CREATE INDEX payout_days_counts ON payout_days (account_id, counts_on) WHERE ended_at IS NULL;
CREATE INDEX payout_days_of ON payout_days (account_id, date);
-- What a line of the bank is used for: a payout or a slip's cash, one at a time.
CREATE TABLE bank_uses (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    line_id     bigint NOT NULL REFERENCES statement_lines,
    payout_id   text REFERENCES payouts,
    deposit_id  text REFERENCES deposits,
    rule        text NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL,
    ended_at    timestamptz,
    CHECK (num_nonnulls(payout_id, deposit_id) = 1)
);
CREATE UNIQUE INDEX bank_uses_once ON bank_uses (line_id) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX bank_uses_deposit ON bank_uses (deposit_id) WHERE ended_at IS NULL;
CREATE INDEX bank_uses_payout ON bank_uses (payout_id);
CREATE INDEX bank_uses_line ON bank_uses (line_id);
-- Why a payout or a use ended.
CREATE TABLE payout_ends (
    payout_id   text PRIMARY KEY REFERENCES payouts,
    reason      text NOT NULL,
    actor       text NOT NULL,
    recorded_at timestamptz NOT NULL
);
-- As before; a payout ends only with its reason.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION only_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR to_jsonb(OLD) ->> TG_ARGV[0] IS NOT NULL
       OR (to_jsonb(NEW) - TG_ARGV[0]) IS DISTINCT FROM (to_jsonb(OLD) - TG_ARGV[0]) THEN
        RAISE EXCEPTION '% is append-only; % may be set once', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF TG_TABLE_NAME = 'matches' THEN
        IF NOT EXISTS (SELECT FROM unmatches WHERE match_id = (to_jsonb(OLD) ->> 'id')::bigint) THEN
            RAISE EXCEPTION 'match % may end only with its un-match row', to_jsonb(OLD) ->> 'id' USING ERRCODE = 'insufficient_privilege';
        END IF;
    ELSIF TG_TABLE_NAME = 'payouts' THEN
        IF NOT EXISTS (SELECT FROM payout_ends WHERE payout_id = to_jsonb(OLD) ->> 'id') THEN
            RAISE EXCEPTION 'payout % may end only with its reason', to_jsonb(OLD) ->> 'id' USING ERRCODE = 'insufficient_privilege';
        END IF;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER payouts_end BEFORE UPDATE OR DELETE ON payouts FOR EACH ROW EXECUTE FUNCTION only_end('ended_at');
CREATE TRIGGER payout_days_end BEFORE UPDATE OR DELETE ON payout_days FOR EACH ROW EXECUTE FUNCTION only_end('ended_at');
CREATE TRIGGER bank_uses_end BEFORE UPDATE OR DELETE ON bank_uses FOR EACH ROW EXECUTE FUNCTION only_end('ended_at');
CREATE TRIGGER payout_ends_append_only BEFORE UPDATE OR DELETE ON payout_ends FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER payouts_no_truncate BEFORE TRUNCATE ON payouts FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER payout_days_no_truncate BEFORE TRUNCATE ON payout_days FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER bank_uses_no_truncate BEFORE TRUNCATE ON bank_uses FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER payout_ends_no_truncate BEFORE TRUNCATE ON payout_ends FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
GRANT SELECT, INSERT ON payouts, payout_days, bank_uses, payout_ends TO feegate_service;
GRANT UPDATE (ended_at) ON payouts, payout_days, bank_uses TO feegate_service;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO feegate_service;

-- A credit that a payment has is used already: it can pay nothing out.
-- +goose StatementBegin
CREATE FUNCTION bank_line_is_free() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM statement_transfers x JOIN payments p ON p.transfer_id = x.transfer_id WHERE x.line_id = NEW.line_id)
       OR EXISTS (SELECT FROM statement_lines l WHERE l.id = NEW.line_id AND l.superseded_at IS NOT NULL) THEN
        RAISE EXCEPTION 'bank line % is used already', NEW.line_id USING ERRCODE = 'unique_violation', CONSTRAINT = 'bank_uses_once';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER bank_uses_free BEFORE INSERT ON bank_uses FOR EACH ROW EXECUTE FUNCTION bank_line_is_free();

ALTER TABLE discrepancies ADD COLUMN bank_line_id bigint REFERENCES statement_lines;
CREATE INDEX discrepancies_bank_line ON discrepancies (bank_line_id) WHERE bank_line_id IS NOT NULL;

-- Days that something has happened to and nobody has matched since: whoever is free matches them, whatever died meanwhile.
CREATE TABLE days_to_match (
    account_id text NOT NULL REFERENCES merchant_accounts,
    date       date NOT NULL,
    since      timestamptz NOT NULL,
    PRIMARY KEY (account_id, date)
);
GRANT SELECT, INSERT, DELETE ON days_to_match TO feegate_service;

-- Whose day a credit is that belongs to nothing: of the account that it names, else whose transfer it is, else the first that the bank account
-- belongs to, of its own or, for a slip's account, of the slip's agency.
CREATE FUNCTION bank_owner(bank text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT a.id FROM account_banks b JOIN merchant_accounts a ON a.id = b.account_id WHERE b.bank_account = bank ORDER BY a.position, a.id LIMIT 1),
        (SELECT a.id FROM deposits d JOIN merchant_accounts a ON a.agency_code = d.agency_code WHERE regexp_replace(upper(d.bank_account), '[^0-9A-Z]', '', 'g') = bank ORDER BY a.position, a.id LIMIT 1))
$$;
CREATE VIEW nobodys_credits AS
    SELECT x.line_id, x.bank_account, x.amount, x.transfer_id, x.hinted, x.account_id, x.booked_on, x.recorded_at,
        CASE WHEN EXISTS (SELECT FROM days c WHERE c.account_id = x.account_id AND c.date = x.own_day AND c.status IN ('closed', 'signed') AND c.closed_at <= x.recorded_at)
            THEN business_day(x.recorded_at) ELSE x.own_day END AS date
    FROM (SELECT l.id AS line_id, l.bank_account, l.amount::bigint AS amount, t.id AS transfer_id, l.hint_account IS NOT NULL AS hinted, l.booked_on, l.recorded_at,
            coalesce(l.hint_account, (SELECT s.account_id FROM bank_transfer_sources s WHERE s.transfer_id = t.id AND s.owns ORDER BY s.recorded_at, s.account_id LIMIT 1), bank_owner(l.bank_account)) AS account_id,
            coalesce(CASE WHEN l.hint_account IS NOT NULL AND cardinality(l.hint_days) = 1 THEN l.hint_days[1] END, CASE WHEN l.hint_account IS NULL THEN business_day(t.at) END, l.booked_on) AS own_day
        FROM statement_lines l LEFT JOIN statement_transfers x ON x.line_id = l.id LEFT JOIN bank_transfers t ON t.id = x.transfer_id
        WHERE l.superseded_at IS NULL AND l.amount > 0 AND l.type IN ('transfer', 'other', 'batch')
        AND NOT EXISTS (SELECT FROM bank_uses u WHERE u.line_id = l.id AND u.ended_at IS NULL)
        AND NOT EXISTS (SELECT FROM payments p WHERE p.transfer_id = t.id)) x
    WHERE x.account_id IS NOT NULL;
GRANT SELECT ON account_banks, nobodys_credits TO feegate_service;
GRANT EXECUTE ON FUNCTION working_day_after, bank_owner, settlement_due TO feegate_service;

-- What proves a payment, as before, and: cash at the counter by its slip's credit at the bank; the bank's proof of a settled one by its day's
-- payout.
CREATE FUNCTION evidence_at(as_of timestamptz)
    RETURNS TABLE (payment_id text, evidence text, line_id bigint, bank_proven boolean)
    LANGUAGE sql STABLE AS $$
    SELECT p.id,
        CASE WHEN v.payment_id IS NOT NULL THEN 'reversed'
             WHEN p.account_id IS NULL AND c.receipt_number IS NULL THEN 'none'
             WHEN d.payment_id IS NOT NULL THEN 'disputed'
             WHEN m.line_id IS NOT NULL OR t.transfer_id IS NOT NULL OR s.payment_id IS NOT NULL THEN 'confirmed'
             ELSE 'provisional' END,
        m.line_id, o.account_id IS NOT NULL OR t.transfer_id IS NOT NULL OR s.payment_id IS NOT NULL
    FROM payments p
    LEFT JOIN reversals v ON v.payment_id = p.id AND v.recorded_at <= as_of
    LEFT JOIN counter_payments c ON c.payment_id = p.id
    LEFT JOIN matches m ON m.payment_id = p.id AND m.recorded_at <= as_of AND (m.ended_at IS NULL OR m.ended_at > as_of)
    LEFT JOIN settlement_lines l ON l.id = m.line_id
    LEFT JOIN (SELECT DISTINCT pd.account_id, pd.date FROM payout_days pd JOIN payouts y ON y.id = pd.payout_id
        WHERE y.proven AND y.recorded_at <= as_of AND (y.ended_at IS NULL OR y.ended_at > as_of)) o ON o.account_id = l.account_id AND o.date = l.date
    LEFT JOIN (SELECT DISTINCT x.transfer_id FROM statement_transfers x WHERE x.recorded_at <= as_of) t ON t.transfer_id = p.transfer_id
    LEFT JOIN (SELECT DISTINCT i.payment_id FROM deposit_items i JOIN bank_uses u ON u.deposit_id = i.deposit_id
        WHERE u.recorded_at <= as_of AND (u.ended_at IS NULL OR u.ended_at > as_of)) s ON s.payment_id = p.id AND c.receipt_number IS NOT NULL
    LEFT JOIN (
        SELECT DISTINCT x.payment_id FROM discrepancies x
        WHERE x.kind IN ('in_doubt', 'wrong_account', 'reversal') AND x.payment_id IS NOT NULL AND x.recorded_at <= as_of
        AND coalesce((SELECT h.status FROM discrepancy_history h WHERE h.discrepancy_id = x.id AND h.recorded_at <= as_of ORDER BY h.id DESC LIMIT 1), 'open') <> 'resolved'
    ) d ON d.payment_id = p.id
    WHERE p.recorded_at <= as_of AND p.status IN ('succeeded', 'reversed')
$$;
GRANT EXECUTE ON FUNCTION evidence_at TO feegate_service;
