-- +goose Up
-- The catalogue through time: what a row said on a day stays readable; a change closes a row and opens another.

-- Agencies and communes come and go. Their codes as filed stay where they are written; an alias says which code carries on since a day.
ALTER TABLE communes ADD COLUMN valid_from date NOT NULL DEFAULT '2020-01-01', ADD COLUMN valid_to date CHECK (valid_to > valid_from);
ALTER TABLE agencies ADD COLUMN valid_from date NOT NULL DEFAULT '2020-01-01', ADD COLUMN valid_to date CHECK (valid_to > valid_from);
-- An alias said in error is withdrawn (ended_at), and another said beside it: a report as of an earlier time has the one of that time.
CREATE TABLE agency_aliases (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    old_code    text NOT NULL REFERENCES agencies,
    new_code    text NOT NULL REFERENCES agencies,
    since       date NOT NULL,
    legal_basis text NOT NULL DEFAULT '',
    recorded_at timestamptz NOT NULL,
    ended_at    timestamptz,
    CHECK (old_code <> new_code)
);
CREATE UNIQUE INDEX agency_aliases_standing ON agency_aliases (old_code, since) WHERE ended_at IS NULL;
CREATE TABLE commune_aliases (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    old_code    text NOT NULL REFERENCES communes,
    new_code    text NOT NULL REFERENCES communes,
    since       date NOT NULL,
    legal_basis text NOT NULL DEFAULT '',
    recorded_at timestamptz NOT NULL,
    ended_at    timestamptz,
    CHECK (old_code <> new_code)
);
CREATE UNIQUE INDEX commune_aliases_standing ON commune_aliases (old_code, since) WHERE ended_at IS NULL;
CREATE TRIGGER agency_aliases_end BEFORE UPDATE OR DELETE ON agency_aliases FOR EACH ROW EXECUTE FUNCTION only_end('ended_at');
CREATE TRIGGER agency_aliases_no_truncate BEFORE TRUNCATE ON agency_aliases FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER commune_aliases_end BEFORE UPDATE OR DELETE ON commune_aliases FOR EACH ROW EXECUTE FUNCTION only_end('ended_at');
CREATE TRIGGER commune_aliases_no_truncate BEFORE TRUNCATE ON commune_aliases FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
GRANT SELECT, INSERT ON agency_aliases, commune_aliases TO feegate_service;
GRANT UPDATE (ended_at) ON agency_aliases, commune_aliases TO feegate_service;

-- A number for what must not overlap: an exclusion constraint then needs no extension.
CREATE FUNCTION overlap_key(VARIADIC of text[]) RETURNS int8range LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT int8range(h, h, '[]') FROM (SELECT hashtextextended(array_to_string($1, chr(31), chr(30)), 0) >> 1 AS h) x
$$;

-- What a procedure was called and which field it belonged to. procedures holds the newest of it; where there is no version of a day it counts.
CREATE TABLE procedure_versions (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    procedure_code text NOT NULL REFERENCES procedures,
    name           text NOT NULL,
    field_code     text NOT NULL REFERENCES fields,
    legal_basis    text NOT NULL DEFAULT '',
    valid_from     date NOT NULL,
    valid_to       date CHECK (valid_to > valid_from),
    CONSTRAINT procedure_versions_overlap EXCLUDE USING gist (overlap_key(procedure_code) WITH &&, daterange(valid_from, valid_to) WITH &&)
);
CREATE INDEX procedure_versions_of ON procedure_versions (procedure_code, valid_from);
INSERT INTO procedure_versions (procedure_code, name, field_code, valid_from, valid_to) SELECT code, name, field_code, valid_from, valid_to FROM procedures;

-- agency_code '': for every agency; filing_mode 'any': however it was filed. Where rows overlapped, the newest counted: the older end where it begins.
ALTER TABLE fee_schedules DROP CONSTRAINT fee_schedules_fee_code_valid_from_key;
ALTER TABLE fee_schedules ADD COLUMN agency_code text REFERENCES agencies, -- NULL: all
    ADD COLUMN filing_mode text NOT NULL DEFAULT 'any' CHECK (filing_mode IN ('any', 'online', 'counter', 'postal')),
    ADD COLUMN recorded_at timestamptz;
UPDATE fee_schedules f SET valid_to = n.valid_from FROM (SELECT id, lead(valid_from) OVER (PARTITION BY fee_code ORDER BY valid_from) AS valid_from FROM fee_schedules) n
    WHERE n.id = f.id AND n.valid_from IS NOT NULL AND (f.valid_to IS NULL OR f.valid_to > n.valid_from);
ALTER TABLE fee_schedules ADD CONSTRAINT fee_schedules_overlap EXCLUDE USING gist
    (overlap_key(fee_code, coalesce(agency_code, ''), filing_mode) WITH &&, daterange(valid_from, valid_to) WITH &&);
CREATE INDEX fee_schedules_procedure ON fee_schedules (procedure_code);

ALTER TABLE pilot_discounts ALTER COLUMN percent DROP NOT NULL, ADD COLUMN fixed vnd, ADD COLUMN recorded_at timestamptz,
    ADD CONSTRAINT pilot_discounts_one CHECK (num_nonnulls(percent, fixed) = 1), ADD CONSTRAINT pilot_discounts_dates CHECK (valid_to > valid_from);
UPDATE pilot_discounts d SET valid_to = n.valid_from FROM (SELECT id, lead(valid_from) OVER (PARTITION BY fee_code ORDER BY valid_from, id) AS valid_from FROM pilot_discounts) n
    WHERE n.id = d.id AND n.valid_from > d.valid_from AND (d.valid_to IS NULL OR d.valid_to > n.valid_from);
ALTER TABLE pilot_discounts ADD CONSTRAINT pilot_discounts_overlap EXCLUDE USING gist (overlap_key(fee_code) WITH &&, daterange(valid_from, valid_to) WITH &&);

-- Groups that the law lets pay less: Law 97/2015 art. 10 and what the People's Council adds.
CREATE TABLE exemption_groups (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code        text NOT NULL CHECK (code ~ '^[A-Za-z0-9._-]{1,40}$'),
    name        text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('exempt', 'reduced')),
    percent     int NOT NULL CHECK (percent BETWEEN 1 AND 100),
    legal_basis text NOT NULL CHECK (legal_basis <> ''),
    valid_from  date NOT NULL,
    valid_to    date CHECK (valid_to > valid_from),
    recorded_at timestamptz,
    CONSTRAINT exemption_groups_overlap EXCLUDE USING gist (overlap_key(code) WITH &&, daterange(valid_from, valid_to) WITH &&)
);

-- The row of the schedule that a line was priced by, its legal basis, and for an assessed fee the document that says how much.
ALTER TABLE order_lines ADD COLUMN schedule_id bigint REFERENCES fee_schedules, ADD COLUMN legal_basis text, ADD COLUMN assessment jsonb;
UPDATE order_lines l SET schedule_id = f.id, legal_basis = f.legal_basis FROM orders o, fee_schedules f
    WHERE o.id = l.order_id AND o.priced_on IS NOT NULL AND f.fee_code = l.fee_code AND f.valid_from <= o.priced_on AND (f.valid_to IS NULL OR f.valid_to > o.priced_on);
CREATE INDEX order_lines_schedule ON order_lines (schedule_id) WHERE schedule_id IS NOT NULL;

-- What orders were priced by is never rewritten: its end alone may be set.
-- +goose StatementBegin
CREATE FUNCTION schedule_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (TG_OP = 'DELETE' OR (to_jsonb(NEW) - 'valid_to') IS DISTINCT FROM (to_jsonb(OLD) - 'valid_to')) AND EXISTS (SELECT FROM order_lines WHERE schedule_id = OLD.id) THEN
        RAISE EXCEPTION 'schedule row % priced orders: it can be ended, not rewritten', OLD.id USING ERRCODE = 'check_violation', CONSTRAINT = 'fee_schedules_used';
    END IF;
    RETURN coalesce(NEW, OLD);
END $$;
-- +goose StatementEnd
CREATE TRIGGER fee_schedules_rules BEFORE UPDATE OR DELETE ON fee_schedules FOR EACH ROW EXECUTE FUNCTION schedule_rules();

GRANT SELECT, INSERT, UPDATE ON procedure_versions, exemption_groups TO feegate_service;

-- Targets and definitions are changed by two people. What stands already counts as approved.
ALTER TABLE targets DROP CONSTRAINT targets_pkey;
ALTER TABLE targets ADD COLUMN id text NOT NULL DEFAULT 'tgt_' || replace(gen_random_uuid()::text, '-', '') PRIMARY KEY,
    ADD COLUMN replaces text REFERENCES targets, -- ends where this one begins
    ADD COLUMN origin text NOT NULL DEFAULT 'setup' CHECK (origin IN ('people', 'setup')),
    ADD COLUMN status text NOT NULL DEFAULT 'approved' CHECK (status IN ('proposed', 'approved', 'rejected')),
    ADD COLUMN proposed_by text REFERENCES users, ADD COLUMN proposed_at timestamptz, ADD COLUMN decided_by text REFERENCES users, ADD COLUMN decided_at timestamptz,
    ADD COLUMN note text NOT NULL DEFAULT '',
    ADD CONSTRAINT targets_another_person CHECK (decided_by <> proposed_by),
    ADD CONSTRAINT targets_people CHECK (origin <> 'people' OR proposed_by IS NOT NULL AND proposed_at IS NOT NULL AND (status = 'proposed') = (decided_by IS NULL)),
    ADD CONSTRAINT targets_not_backdated CHECK (origin <> 'people' OR status = 'rejected' OR valid_from >= business_day(coalesce(decided_at, proposed_at))),
    ADD CONSTRAINT targets_dates CHECK (valid_to IS NULL OR valid_to >= valid_from);
CREATE UNIQUE INDEX targets_standing ON targets (percent, valid_from) WHERE status <> 'rejected';
ALTER TABLE definitions
    ADD COLUMN reason text NOT NULL DEFAULT '',
    ADD COLUMN origin text NOT NULL DEFAULT 'setup' CHECK (origin IN ('people', 'setup')),
    ADD COLUMN status text NOT NULL DEFAULT 'approved' CHECK (status IN ('proposed', 'approved', 'rejected')),
    ADD COLUMN proposed_by text REFERENCES users, ADD COLUMN proposed_at timestamptz, ADD COLUMN decided_by text REFERENCES users, ADD COLUMN decided_at timestamptz,
    ADD COLUMN note text NOT NULL DEFAULT '',
    ADD CONSTRAINT definitions_another_person CHECK (decided_by <> proposed_by),
    ADD CONSTRAINT definitions_people CHECK (origin <> 'people' OR proposed_by IS NOT NULL AND proposed_at IS NOT NULL AND (status = 'proposed') = (decided_by IS NULL)),
    ADD CONSTRAINT definitions_not_backdated CHECK (origin <> 'people' OR status = 'rejected' OR valid_from >= business_day(coalesce(decided_at, proposed_at)));
-- Accounts that are known to pay for others (notaries, declared agents), by a decision: rule G1 leaves them out while one stands. recorded_at: of an
-- approved one, when it was approved. approved_by: who decided, also where it was rejected.
CREATE TABLE payer_allowances (
    id          text PRIMARY KEY DEFAULT 'alw_' || replace(gen_random_uuid()::text, '-', ''),
    digest      bytea NOT NULL, -- HMAC of the account: never the number
    masked      text NOT NULL DEFAULT '',
    decision    text NOT NULL CHECK (decision <> ''),
    status      text NOT NULL CHECK (status IN ('proposed', 'approved', 'rejected')),
    proposed_by text NOT NULL,
    proposed_at timestamptz,
    approved_by text,
    recorded_at timestamptz NOT NULL,
    ended_at    timestamptz CHECK (ended_at >= recorded_at),
    CONSTRAINT payer_allowances_another_person CHECK (approved_by <> proposed_by),
    CHECK ((status = 'proposed') = (approved_by IS NULL)),
    CHECK (ended_at IS NULL OR status = 'approved')
);
CREATE UNIQUE INDEX payer_allowances_standing ON payer_allowances (digest) WHERE ended_at IS NULL AND status <> 'rejected';

-- TG_ARGV: what a decision sets, what may be set later on an approved one, once.
-- +goose StatementBegin
CREATE FUNCTION proposal_rules() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    new_row jsonb := to_jsonb(NEW); old_row jsonb := to_jsonb(OLD);
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF new_row ->> 'origin' = 'people' AND NEW.status <> 'proposed' THEN
            RAISE EXCEPTION 'what people change begins as a proposal' USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_proposal';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.status = 'proposed' AND NEW.status <> 'proposed' AND new_row - TG_ARGV[0]::text[] = old_row - TG_ARGV[0]::text[] THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.status = 'approved' AND old_row ->> TG_ARGV[1] IS NULL AND new_row - TG_ARGV[1] = old_row - TG_ARGV[1] THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '%: what was proposed is decided on once, and stays', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
-- +goose StatementEnd
CREATE TRIGGER targets_rules BEFORE INSERT OR UPDATE OR DELETE ON targets FOR EACH ROW EXECUTE FUNCTION proposal_rules('{status,decided_by,decided_at,note}', 'valid_to');
CREATE TRIGGER definitions_rules BEFORE INSERT OR UPDATE OR DELETE ON definitions FOR EACH ROW EXECUTE FUNCTION proposal_rules('{status,decided_by,decided_at,note}', '');
CREATE TRIGGER payer_allowances_rules BEFORE INSERT OR UPDATE OR DELETE ON payer_allowances FOR EACH ROW EXECUTE FUNCTION proposal_rules('{status,approved_by,recorded_at}', 'ended_at');
CREATE TRIGGER targets_no_truncate BEFORE TRUNCATE ON targets FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER definitions_no_truncate BEFORE TRUNCATE ON definitions FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER payer_allowances_no_truncate BEFORE TRUNCATE ON payer_allowances FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
REVOKE UPDATE ON targets FROM feegate_service;
GRANT UPDATE (status, decided_by, decided_at, note, valid_to) ON targets TO feegate_service;
GRANT UPDATE (status, decided_by, decided_at, note) ON definitions TO feegate_service;
GRANT SELECT, INSERT, UPDATE (status, approved_by, recorded_at, ended_at) ON payer_allowances TO feegate_service;

-- Who declared a staff account, and what people may see of it.
ALTER TABLE staff_accounts ADD COLUMN kind text NOT NULL DEFAULT '', ADD COLUMN bank text NOT NULL DEFAULT '', ADD COLUMN masked text NOT NULL DEFAULT '', ADD COLUMN declared_by text NOT NULL DEFAULT '';
CREATE TRIGGER staff_accounts_end BEFORE UPDATE OR DELETE ON staff_accounts FOR EACH ROW EXECUTE FUNCTION only_end('ended_at');

GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO feegate_service;
GRANT EXECUTE ON FUNCTION overlap_key(text[]), schedule_rules(), proposal_rules() TO feegate_service;
