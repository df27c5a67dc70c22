-- +goose Up
-- Who pays for many (rule G1): an account's payments in the order of time, and those heard of since the accounts were looked at last.
CREATE INDEX payments_payer ON payments (payer_digest, paid_at) WHERE payer_digest IS NOT NULL AND status IN ('succeeded', 'reversed');
CREATE INDEX payments_payer_heard ON payments (recorded_at) WHERE payer_digest IS NOT NULL AND status IN ('succeeded', 'reversed');
CREATE TABLE payer_scans (id boolean PRIMARY KEY DEFAULT true CHECK (id), upto timestamptz NOT NULL);
GRANT SELECT, INSERT, UPDATE ON payer_scans TO feegate_service;

-- When a dossier's processing started, as the national statistics count: as told, else the beginning of the day of its reception.
CREATE FUNCTION dossier_started(started_at timestamptz, received_on date) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT coalesce(started_at, (received_on::timestamp - interval '7 hours') AT TIME ZONE 'UTC') $$;
CREATE INDEX dossiers_started ON dossiers (dossier_started(started_at, received_on));

-- Procedures with a financial obligation on a day, and the kinds that each can charge: in force, with a row of the schedule in force that is
-- above 0 or assessed case by case.
CREATE FUNCTION fee_bearing_on(day date) RETURNS TABLE (procedure_code text, kinds text[]) LANGUAGE sql STABLE AS $$
    SELECT p.code, array_agg(DISTINCT f.kind::text ORDER BY f.kind::text)
    FROM procedures p JOIN fee_schedules f ON f.procedure_code = p.code AND f.valid_from <= day AND (f.valid_to IS NULL OR f.valid_to > day)
    WHERE p.valid_from <= day AND (p.valid_to IS NULL OR p.valid_to > day) AND (f.unit_amount IS NULL OR f.unit_amount > 0) GROUP BY p.code
$$;

-- What the case system says it has told the national portal of a dossier: the flag DuocThanhToanTrucTuyen, and whether every Gia was 0.
CREATE TABLE national_sent (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_system text NOT NULL REFERENCES source_systems,
    dossier_code  text NOT NULL,
    flag          smallint NOT NULL CHECK (flag BETWEEN 0 AND 2),
    all_zero      boolean,
    sent_at       timestamptz NOT NULL,
    recorded_at   timestamptz NOT NULL
);
CREATE INDEX national_sent_of ON national_sent (source_system, dossier_code, id);

-- A nightly comparison of what each dossier deserves with what was sent, and what differed.
CREATE TABLE national_runs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    date        date NOT NULL UNIQUE,
    since       date NOT NULL, -- dossiers that started from this day on
    dossiers    bigint NOT NULL,
    differences bigint NOT NULL,
    definition  text NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE TABLE national_differences (
    run_id         bigint NOT NULL REFERENCES national_runs,
    source_system  text NOT NULL,
    dossier_code   text NOT NULL,
    agency_code    text NOT NULL,
    procedure_code text NOT NULL,
    started_at     timestamptz NOT NULL,
    deserved       smallint NOT NULL,
    sent           smallint, -- NULL: nothing was
    since          timestamptz NOT NULL, -- when the first run of the unbroken row found it
    PRIMARY KEY (run_id, source_system, dossier_code)
);
CREATE INDEX national_differences_of ON national_differences (source_system, dossier_code, run_id);

-- The official counts, as they were given: each import a new row, the answer kept to the byte.
CREATE TABLE national_official (
    id          text PRIMARY KEY,
    period_from date NOT NULL,
    period_to   date NOT NULL,
    source      text NOT NULL,
    fetched_at  timestamptz NOT NULL,
    raw         bytea NOT NULL,
    sha256      text NOT NULL,
    imported_by text NOT NULL,
    recorded_at timestamptz NOT NULL,
    UNIQUE (period_from, period_to, sha256),
    CHECK (period_to >= period_from)
);
CREATE TABLE national_official_counts (
    import_id      text NOT NULL REFERENCES national_official,
    agency_code    text NOT NULL, -- as given; '' = not divided
    procedure_code text NOT NULL,
    online_dossiers            bigint, -- totalDossierOnlinePaymentSuccess; NULL is not 0
    obliged_dossiers           bigint, -- totalDossierFinancialObligation
    online_procedures          bigint, -- totalDossierOnlineFormalityPaymentSuccess
    fee_procedures_distinct    bigint, -- totalFeeDossierFormalityDistinct
    fee_procedures_dossiers    bigint, -- totalFeeDossierFormality
    fee_procedures             bigint, -- totalFeeFormality
    PRIMARY KEY (import_id, agency_code, procedure_code)
);
CREATE TRIGGER national_sent_append_only BEFORE UPDATE OR DELETE ON national_sent FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER national_sent_no_truncate BEFORE TRUNCATE ON national_sent FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER national_runs_append_only BEFORE UPDATE OR DELETE ON national_runs FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER national_runs_no_truncate BEFORE TRUNCATE ON national_runs FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER national_differences_append_only BEFORE UPDATE OR DELETE ON national_differences FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER national_differences_no_truncate BEFORE TRUNCATE ON national_differences FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER national_official_append_only BEFORE UPDATE OR DELETE ON national_official FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER national_official_no_truncate BEFORE TRUNCATE ON national_official FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER national_official_counts_append_only BEFORE UPDATE OR DELETE ON national_official_counts FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER national_official_counts_no_truncate BEFORE TRUNCATE ON national_official_counts FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
GRANT SELECT, INSERT ON national_sent, national_runs, national_differences, national_official, national_official_counts TO feegate_service;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO feegate_service;
GRANT EXECUTE ON FUNCTION dossier_started, fee_bearing_on TO feegate_service;

-- What the rules look for: callbacks that were refused, cash that waits for its slip.
CREATE INDEX callbacks_refused ON callbacks (received_at) WHERE verdict IN ('forged', 'amount_mismatch', 'duplicate');
CREATE INDEX counter_payments_agency ON counter_payments (agency_code);
-- When an account's provider last spoke of a payment that came to nothing: its checkout works all the same.
CREATE INDEX payments_answered ON payments (account_id, created_at) WHERE status IN ('failed', 'expired') AND redirect IS NOT NULL;
