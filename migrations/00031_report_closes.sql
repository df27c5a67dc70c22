-- +goose Up
-- Reports that were closed: the figures of a period as they were known at an instant, with everything that they were counted by, for ever. What is
-- learnt later makes the next revision.
DROP TABLE report_revisions;
CREATE TABLE report_revisions (
    id          text PRIMARY KEY,                              -- rev_…
    period_from date NOT NULL,
    period_to   date NOT NULL,
    revision    int NOT NULL CHECK (revision > 0),
    as_of       timestamptz NOT NULL,
    definition  text NOT NULL,
    figures     text NOT NULL,                                 -- canonical JSON (RFC 8785): the bytes that are hashed
    sha256      text NOT NULL,
    previous    text,                                          -- sha256 of the period's revision before
    source      text NOT NULL CHECK (source IN ('person', 'schedule', 'evidence')),
    reason      text NOT NULL DEFAULT '',
    closed_by   text NOT NULL,
    recorded_at timestamptz NOT NULL,
    UNIQUE (period_from, period_to, revision),
    CHECK (period_from <= period_to),
    CHECK ((previous IS NULL) = (revision = 1))
);
-- Another person puts their name under a revision. Who closed it may not, nor who reconciled: whose work the figures are made of.
CREATE TABLE report_approvals (
    revision_id text PRIMARY KEY REFERENCES report_revisions,
    approved_by text NOT NULL,
    recorded_at timestamptz NOT NULL
);
-- +goose StatementBegin
CREATE FUNCTION revision_rules() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE r report_revisions;
BEGIN
    IF TG_TABLE_NAME = 'report_revisions' THEN
        IF NEW.revision > 1 AND NOT EXISTS (SELECT FROM report_revisions b WHERE b.period_from = NEW.period_from AND b.period_to = NEW.period_to
            AND b.revision = NEW.revision - 1 AND b.sha256 = NEW.previous AND b.as_of <= NEW.as_of) THEN
            RAISE EXCEPTION 'revision % does not follow the one before', NEW.revision USING ERRCODE = 'check_violation', CONSTRAINT = 'report_revisions_follow';
        END IF;
        IF NEW.source = 'person' AND EXISTS (SELECT FROM days d WHERE d.date BETWEEN NEW.period_from AND NEW.period_to AND d.closed_by = NEW.closed_by) THEN
            RAISE EXCEPTION 'who closed days of the period does not close its report' USING ERRCODE = 'check_violation', CONSTRAINT = 'report_revisions_another_person';
        END IF;
        RETURN NEW;
    END IF;
    SELECT * INTO STRICT r FROM report_revisions WHERE id = NEW.revision_id;
    IF r.closed_by = NEW.approved_by THEN
        RAISE EXCEPTION 'a report is approved by another person than who closed it' USING ERRCODE = 'check_violation', CONSTRAINT = 'report_approvals_another_person';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER report_revisions_rules BEFORE INSERT ON report_revisions FOR EACH ROW EXECUTE FUNCTION revision_rules();
CREATE TRIGGER report_approvals_rules BEFORE INSERT ON report_approvals FOR EACH ROW EXECUTE FUNCTION revision_rules();
CREATE TRIGGER report_revisions_append_only BEFORE UPDATE OR DELETE ON report_revisions FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER report_revisions_no_truncate BEFORE TRUNCATE ON report_revisions FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER report_approvals_append_only BEFORE UPDATE OR DELETE ON report_approvals FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER report_approvals_no_truncate BEFORE TRUNCATE ON report_approvals FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

-- Which reports are made by themselves: so many working days after their period's end, for periods that end on or after a day.
CREATE TABLE report_schedules (
    every        text PRIMARY KEY CHECK (every IN ('month', 'quarter', 'half', 'nine_months', 'year')),
    working_days int NOT NULL CHECK (working_days BETWEEN 1 AND 60),
    since        date NOT NULL,
    set_by       text NOT NULL,
    recorded_at  timestamptz NOT NULL
);
-- The days on which the closed reports were looked through for what is known since.
CREATE TABLE report_runs (
    date        date PRIMARY KEY,
    revisions   int NOT NULL,
    recorded_at timestamptz NOT NULL
);
GRANT SELECT, INSERT ON report_revisions, report_approvals, report_schedules, report_runs TO feegate_service;
GRANT UPDATE (working_days, since, set_by, recorded_at), DELETE ON report_schedules TO feegate_service;
GRANT EXECUTE ON FUNCTION revision_rules TO feegate_service;
