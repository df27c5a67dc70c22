-- +goose Up
-- cutoff: the time of day (Vietnamese) by which a settlement is closed. calendar: on which days the provider settles (1 = Monday)
-- and how many of those days later. version: two admins at once do not overwrite each other.
ALTER TABLE merchant_accounts
    ADD COLUMN version    int NOT NULL DEFAULT 1,
    ADD COLUMN updated_at timestamptz,
    ADD COLUMN cutoff     time NOT NULL DEFAULT '00:00',
    ADD COLUMN calendar   jsonb NOT NULL DEFAULT '{"weekdays": [1, 2, 3, 4, 5, 6, 7], "days": 1, "holidays": []}',
    ADD CONSTRAINT merchant_accounts_dates CHECK (valid_to IS NULL OR valid_to >= valid_from);

-- Whose money an account takes. A change is proposed by one person and approved by another, from a time on; what was in force
-- before stays. setup: by the demo or a test, that have nobody to ask.
CREATE TABLE account_beneficiaries (
    n            bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    id           text PRIMARY KEY,
    account_id   text NOT NULL REFERENCES merchant_accounts,
    bank         text NOT NULL,
    number       text NOT NULL,
    name         text NOT NULL,
    starts_on    date,        -- as proposed; NULL: at once
    reason       text NOT NULL DEFAULT '',
    origin       text NOT NULL DEFAULT 'people' CHECK (origin IN ('people', 'setup', 'migration')),
    status       text NOT NULL CHECK (status IN ('proposed', 'approved', 'rejected')),
    proposed_by  text REFERENCES users,
    proposed_at  timestamptz NOT NULL,
    decided_by   text REFERENCES users,
    decided_at   timestamptz,
    effective_at timestamptz, -- of an approved one; never before the approval
    note         text NOT NULL DEFAULT '',
    CONSTRAINT account_beneficiaries_another_person CHECK (decided_by <> proposed_by),
    CONSTRAINT account_beneficiaries_people CHECK (origin <> 'people' OR proposed_by IS NOT NULL AND (status = 'proposed') = (decided_by IS NULL)),
    CHECK ((status = 'proposed') = (decided_at IS NULL)),
    CHECK ((status = 'approved') = (effective_at IS NOT NULL))
);
CREATE INDEX account_beneficiaries_of ON account_beneficiaries (account_id, n);
CREATE UNIQUE INDEX account_beneficiaries_open ON account_beneficiaries (account_id) WHERE status = 'proposed';
INSERT INTO account_beneficiaries (id, account_id, bank, number, name, origin, status, proposed_at, decided_at, effective_at)
    SELECT 'bnf_' || replace(gen_random_uuid()::text, '-', ''), id, beneficiary_bank, beneficiary_account, beneficiary_name, 'migration', 'approved', created_at, created_at, '2000-01-01T00:00:00Z'
    FROM merchant_accounts;
ALTER TABLE merchant_accounts DROP COLUMN beneficiary_bank, DROP COLUMN beneficiary_account, DROP COLUMN beneficiary_name;

-- +goose StatementBegin
CREATE FUNCTION beneficiary_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.origin = 'people' AND NEW.status <> 'proposed' THEN
            RAISE EXCEPTION 'a beneficiary begins as a proposal' USING ERRCODE = 'check_violation', CONSTRAINT = 'account_beneficiaries_proposal';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' OR OLD.status <> 'proposed' OR NEW.status = 'proposed'
       OR (to_jsonb(NEW) - '{status,decided_by,decided_at,effective_at,note}'::text[]) IS DISTINCT FROM (to_jsonb(OLD) - '{status,decided_by,decided_at,effective_at,note}'::text[]) THEN
        RAISE EXCEPTION 'a beneficiary is decided on once, and stays' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NEW.effective_at < NEW.decided_at THEN
        RAISE EXCEPTION 'a beneficiary is never in force before it is approved' USING ERRCODE = 'check_violation', CONSTRAINT = 'account_beneficiaries_effective';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER account_beneficiaries_rules BEFORE INSERT OR UPDATE OR DELETE ON account_beneficiaries FOR EACH ROW EXECUTE FUNCTION beneficiary_rules();
CREATE TRIGGER account_beneficiaries_no_truncate BEFORE TRUNCATE ON account_beneficiaries FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
GRANT SELECT, INSERT, UPDATE (status, decided_by, decided_at, effective_at, note) ON account_beneficiaries TO feegate_service;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO feegate_service;

-- What a provider charges, from a day on; where none of these is in force yet, the account's first tariff counts.
CREATE TABLE account_tariffs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  text NOT NULL REFERENCES merchant_accounts,
    valid_from  date NOT NULL,
    tariff      jsonb NOT NULL,
    actor       text NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX account_tariffs_of ON account_tariffs (account_id, valid_from, id);
CREATE TRIGGER account_tariffs_append_only BEFORE UPDATE OR DELETE ON account_tariffs FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER account_tariffs_no_truncate BEFORE TRUNCATE ON account_tariffs FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
GRANT SELECT, INSERT ON account_tariffs TO feegate_service;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO feegate_service;
CREATE FUNCTION account_tariff(account text, day date) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT tariff FROM account_tariffs WHERE account_id = account AND valid_from <= day ORDER BY valid_from DESC, id DESC LIMIT 1),
        (SELECT tariff FROM merchant_accounts WHERE id = account))
$$;

-- A secret is set, and may be given an end, once more earlier; it is never written over. One is without an end: it signs.
ALTER TABLE account_secrets ADD COLUMN set_by text NOT NULL DEFAULT '';
CREATE UNIQUE INDEX account_secrets_current ON account_secrets (account_id) WHERE valid_to IS NULL;
REVOKE UPDATE ON account_secrets FROM feegate_service;
GRANT UPDATE (valid_to) ON account_secrets TO feegate_service;

-- When a day's settlement is missed: one day after the cut-off of the day on which the provider settles it.
CREATE FUNCTION settlement_due(account text, day date) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT (coalesce((
            SELECT d::date FROM generate_series(day + least((a.calendar->>'days')::int, 1), day + 400, interval '1 day') d
            WHERE a.calendar->'weekdays' @> to_jsonb(extract(isodow FROM d)::int) AND NOT coalesce(a.calendar->'holidays', '[]') ? to_char(d, 'YYYY-MM-DD')
            ORDER BY d OFFSET greatest((a.calendar->>'days')::int - 1, 0) LIMIT 1), day + 400)
        + 1 + a.cutoff - interval '7 hours') AT TIME ZONE 'UTC'
    FROM merchant_accounts a WHERE a.id = account
$$;
