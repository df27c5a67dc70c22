-- +goose Up
-- Amounts are whole đồng. vnd: what is asked or paid; signed_vnd: a difference or a net.
CREATE DOMAIN vnd AS bigint CHECK (VALUE BETWEEN 0 AND 999999999999);
CREATE DOMAIN signed_vnd AS bigint CHECK (VALUE BETWEEN -999999999999999 AND 999999999999999);
CREATE DOMAIN fee_kind AS text CHECK (VALUE IN ('phi', 'le_phi', 'nvtc'));
CREATE DOMAIN run_mode AS text CHECK (VALUE IN ('live', 'test'));

-- The role is cluster-wide, databases are many (one per test): make it once, whoever comes first.
-- +goose StatementBegin
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'feegate_service') THEN
        CREATE ROLE feegate_service LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT;
        ALTER ROLE feegate_service SET statement_timeout = '30s';
        ALTER ROLE feegate_service SET lock_timeout = '10s';
        ALTER ROLE feegate_service SET idle_in_transaction_session_timeout = '30s';
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- another database of this cluster was faster
END $$;
-- +goose StatementEnd

-- A business day is Asia/Ho_Chi_Minh, which has no daylight saving: the fixed offset keeps this immutable and indexable.
CREATE FUNCTION business_day(t timestamptz) RETURNS date
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURNS NULL ON NULL INPUT
    AS $$ SELECT ((t AT TIME ZONE 'UTC') + interval '7 hours')::date $$;
