-- +goose Up
-- Closing and signing: what a day came to, said by one person, signed by another, and never changed afterwards.
ALTER TABLE days ADD COLUMN version int NOT NULL DEFAULT 0, -- of the closing that stands, or stood last
    ADD COLUMN figures_sha256 text;

-- One closing of a day: its figures in canonical form, to the byte.
CREATE TABLE day_versions (
    account_id     text NOT NULL REFERENCES merchant_accounts,
    date           date NOT NULL,
    n              int NOT NULL CHECK (n > 0),
    figures        text NOT NULL,
    figures_sha256 text NOT NULL,
    closed_by      text NOT NULL,
    closed_at      timestamptz NOT NULL,
    PRIMARY KEY (account_id, date, n)
);
-- The payments and refunds that a closing counted, each with what it came to. What comes of them later is an adjustment.
CREATE TABLE day_frozen (
    account_id text NOT NULL,
    date       date NOT NULL,
    n          int NOT NULL,
    item_id    text NOT NULL,
    amount     signed_vnd NOT NULL,
    stated     signed_vnd NOT NULL DEFAULT 0,     -- what the bank's statement alone proved of it: a transfer's payment, a refund by a list
    awaited    boolean NOT NULL DEFAULT false,    -- no statement had it
    PRIMARY KEY (item_id, date, n) -- no key to the version: a million rows would be checked one by one, and its hash holds them
);
CREATE INDEX day_frozen_of ON day_frozen (account_id, date, n);
CREATE INDEX day_frozen_awaited ON day_frozen (account_id, date, n) WHERE awaited;
-- A signature: the version with who closed and signed it and the hash of the account's signature before, hashed in its turn.
CREATE TABLE day_signatures (
    account_id text NOT NULL,
    seq        bigint NOT NULL CHECK (seq > 0),
    date       date NOT NULL,
    n          int NOT NULL,
    document   text NOT NULL,
    sha256     text NOT NULL,
    previous   text,
    closed_by  text NOT NULL,
    signed_by  text NOT NULL,
    signed_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, seq),
    UNIQUE (account_id, date, n),
    FOREIGN KEY (account_id, date, n) REFERENCES day_versions,
    CONSTRAINT day_signatures_another_person CHECK (signed_by <> closed_by),
    CHECK ((seq = 1) = (previous IS NULL))
);
-- A day is opened again by an admin and an approver together.
CREATE TABLE day_reopenings (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id text NOT NULL REFERENCES merchant_accounts,
    date       date NOT NULL,
    n          int NOT NULL, -- the version that is opened
    status     text NOT NULL DEFAULT 'proposed' CHECK (status IN ('proposed', 'approved', 'rejected')),
    reason     text NOT NULL CHECK (reason <> ''),
    asked_by   text NOT NULL,
    asked_as   text NOT NULL CHECK (asked_as IN ('admin', 'approver')),
    asked_at   timestamptz NOT NULL,
    decided_by text,
    decided_as text CHECK (decided_as IN ('admin', 'approver')),
    decided_at timestamptz,
    CHECK ((status = 'proposed') = (decided_at IS NULL)),
    CONSTRAINT day_reopenings_another_person CHECK (status <> 'approved' OR decided_by <> asked_by AND decided_as <> asked_as),
    CHECK (status <> 'approved' OR decided_by IS NOT NULL AND decided_as IS NOT NULL)
);
CREATE UNIQUE INDEX day_reopenings_once ON day_reopenings (account_id, date) WHERE status = 'proposed';
CREATE INDEX day_reopenings_of ON day_reopenings (account_id, date, id);

-- What came to be of a closed day's money after its closing, on the open day that counts it. n: how many payments more or fewer; settled, lines:
-- what the bank's statement has of it since.
CREATE TABLE day_adjustments (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  text NOT NULL REFERENCES merchant_accounts,
    date        date NOT NULL,
    for_date    date NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('late_payment', 'late_refund', 'reversal', 'late_line', 'reopened')),
    item_id     text NOT NULL,
    type        text NOT NULL CHECK (type IN ('payment', 'refund')),
    n           int NOT NULL CHECK (n BETWEEN -1 AND 1),
    amount      signed_vnd NOT NULL,
    settled     signed_vnd NOT NULL DEFAULT 0,
    lines       int NOT NULL DEFAULT 0 CHECK (lines BETWEEN -1 AND 1),
    recorded_at timestamptz NOT NULL,
    CHECK (amount <> 0 OR settled <> 0),
    CHECK (date > for_date)
);
CREATE INDEX day_adjustments_on ON day_adjustments (account_id, date);
CREATE INDEX day_adjustments_for ON day_adjustments (account_id, for_date);
CREATE INDEX day_adjustments_item ON day_adjustments (item_id);

-- What may have been heard of after its day was closed: recorded on a later business day, or so shortly before midnight that its commit
-- may have come after.
CREATE FUNCTION heard_on(recorded timestamptz) RETURNS date
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURNS NULL ON NULL INPUT
    AS $$ SELECT ((recorded AT TIME ZONE 'UTC') + interval '7 hours 15 minutes')::date $$;
CREATE INDEX payments_late ON payments (account_id, business_day(paid_at)) WHERE status IN ('succeeded', 'reversed') AND heard_on(recorded_at) > business_day(paid_at);
CREATE INDEX refunds_late ON refunds (account_id, business_day(effective_at)) WHERE status = 'succeeded' AND heard_on(recorded_at) > business_day(effective_at);

CREATE TRIGGER day_versions_append_only BEFORE UPDATE OR DELETE ON day_versions FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER day_versions_no_truncate BEFORE TRUNCATE ON day_versions FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER day_frozen_append_only BEFORE UPDATE OR DELETE ON day_frozen FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER day_frozen_no_truncate BEFORE TRUNCATE ON day_frozen FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER day_signatures_append_only BEFORE UPDATE OR DELETE ON day_signatures FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER day_signatures_no_truncate BEFORE TRUNCATE ON day_signatures FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER day_adjustments_append_only BEFORE UPDATE OR DELETE ON day_adjustments FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER day_adjustments_no_truncate BEFORE TRUNCATE ON day_adjustments FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER day_reopenings_state BEFORE UPDATE OF status ON day_reopenings FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION check_transition('{proposed>approved,proposed>rejected}');

-- A day that is closed has its closing, one that is signed its signature, and one that is opened again the word of two; nothing that was
-- closed or signed is rewritten, and no adjustment lands on it.
-- +goose StatementBegin
CREATE FUNCTION day_rules() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE why text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a day is not deleted' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.status IN ('closed', 'signed') AND NEW.status IN ('closed', 'signed')
       AND (OLD.closed_by, OLD.closed_at, OLD.figures, OLD.figures_sha256, OLD.version) IS DISTINCT FROM (NEW.closed_by, NEW.closed_at, NEW.figures, NEW.figures_sha256, NEW.version) THEN
        why := 'what was closed is not changed';
    ELSIF NEW.status IN ('closed', 'signed') AND NOT EXISTS (SELECT FROM day_versions v WHERE v.account_id = NEW.account_id AND v.date = NEW.date AND v.n = NEW.version
          AND v.figures_sha256 = NEW.figures_sha256 AND v.closed_by = NEW.closed_by) THEN
        why := 'a day is closed by a version of it';
    ELSIF NEW.status = 'signed' AND NOT EXISTS (SELECT FROM day_signatures s WHERE s.account_id = NEW.account_id AND s.date = NEW.date AND s.n = NEW.version
          AND s.sha256 = NEW.sha256 AND s.signed_by = NEW.signed_by) THEN
        why := 'a day is signed by a signature on its version';
    ELSIF TG_OP = 'UPDATE' AND NEW.status = 'reopened' AND OLD.status <> 'reopened' AND NOT EXISTS (SELECT FROM day_reopenings o WHERE o.account_id = NEW.account_id AND o.date = NEW.date
          AND o.n = OLD.version AND o.status = 'approved') THEN
        why := 'a day is opened again by an admin and an approver';
    END IF;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'the day % of %: %', NEW.date, NEW.account_id, why USING ERRCODE = 'check_violation', CONSTRAINT = 'days_rules';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION adjusts_an_open_day() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM days WHERE account_id = NEW.account_id AND date = NEW.date AND status IN ('closed', 'signed')) THEN
        RAISE EXCEPTION 'the day % of % is closed: no adjustment lands on it', NEW.date, NEW.account_id USING ERRCODE = 'check_violation', CONSTRAINT = 'day_adjustments_open';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER days_rules BEFORE INSERT OR UPDATE OR DELETE ON days FOR EACH ROW EXECUTE FUNCTION day_rules();
CREATE TRIGGER day_adjustments_open BEFORE INSERT ON day_adjustments FOR EACH ROW EXECUTE FUNCTION adjusts_an_open_day();

GRANT SELECT, INSERT ON day_versions, day_frozen, day_signatures, day_adjustments, day_reopenings TO feegate_service;
GRANT UPDATE (status, decided_by, decided_as, decided_at) ON day_reopenings TO feegate_service;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO feegate_service;
GRANT EXECUTE ON FUNCTION heard_on TO feegate_service;
