-- +goose Up
-- States are checked here as well as in Go: only these changes exist, whoever asks.
-- +goose StatementBegin
CREATE FUNCTION check_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (OLD.status || '>' || NEW.status) = ANY (TG_ARGV[0]::text[]) THEN
        RAISE EXCEPTION '% %: % may not become %', TG_TABLE_NAME, to_jsonb(OLD) ->> 'id', OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'state';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER orders_state BEFORE UPDATE OF status ON orders FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION check_transition('{open>paid,open>expired,open>cancelled,open>superseded,expired>paid,expired>superseded,paid>partly_refunded,paid>refunded,partly_refunded>refunded,paid>open,paid>expired,partly_refunded>open,partly_refunded>expired}');
CREATE TRIGGER payments_state BEFORE UPDATE OF status ON payments FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION check_transition('{created>pending,created>succeeded,created>failed,created>expired,pending>succeeded,pending>failed,pending>expired,expired>succeeded,failed>succeeded,succeeded>reversed}');
CREATE TRIGGER refunds_state BEFORE UPDATE OF status ON refunds FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION check_transition('{requested>approved,requested>rejected,approved>submitted,submitted>succeeded,submitted>failed,failed>submitted,failed>rejected}');
CREATE TRIGGER days_state BEFORE UPDATE OF status ON days FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION check_transition('{open>matched,matched>closed,closed>signed,closed>reopened,signed>reopened,reopened>matched}');
CREATE TRIGGER discrepancies_state BEFORE UPDATE OF status ON discrepancies FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION check_transition('{open>investigating,open>resolved,investigating>resolved,resolved>open}');

-- Evidence is append-only by triggers as well as by grants.
-- +goose StatementBegin
CREATE FUNCTION forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
-- +goose StatementEnd
CREATE TRIGGER allocations_append_only BEFORE UPDATE OR DELETE ON allocations FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER allocations_no_truncate BEFORE TRUNCATE ON allocations FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER reversals_append_only BEFORE UPDATE OR DELETE ON reversals FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER reversals_no_truncate BEFORE TRUNCATE ON reversals FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER voids_append_only BEFORE UPDATE OR DELETE ON voids FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER voids_no_truncate BEFORE TRUNCATE ON voids FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER history_append_only BEFORE UPDATE OR DELETE ON history FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER history_no_truncate BEFORE TRUNCATE ON history FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER moves_append_only BEFORE UPDATE OR DELETE ON moves FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER moves_no_truncate BEFORE TRUNCATE ON moves FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER dossiers_append_only BEFORE UPDATE OR DELETE ON dossiers FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER dossiers_no_truncate BEFORE TRUNCATE ON dossiers FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER receipts_append_only BEFORE UPDATE OR DELETE ON receipts FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER receipts_no_truncate BEFORE TRUNCATE ON receipts FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER deposits_append_only BEFORE UPDATE OR DELETE ON deposits FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER deposits_no_truncate BEFORE TRUNCATE ON deposits FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER deposit_items_append_only BEFORE UPDATE OR DELETE ON deposit_items FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER deposit_items_no_truncate BEFORE TRUNCATE ON deposit_items FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER unmatches_append_only BEFORE UPDATE OR DELETE ON unmatches FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER unmatches_no_truncate BEFORE TRUNCATE ON unmatches FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER statement_lines_append_only BEFORE UPDATE OR DELETE ON statement_lines FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER statement_lines_no_truncate BEFORE TRUNCATE ON statement_lines FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER discrepancy_history_append_only BEFORE UPDATE OR DELETE ON discrepancy_history FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER discrepancy_history_no_truncate BEFORE TRUNCATE ON discrepancy_history FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER report_revisions_append_only BEFORE UPDATE OR DELETE ON report_revisions FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER report_revisions_no_truncate BEFORE TRUNCATE ON report_revisions FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER counter_payments_append_only BEFORE UPDATE OR DELETE ON counter_payments FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER counter_payments_no_truncate BEFORE TRUNCATE ON counter_payments FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER provider_overrides_append_only BEFORE UPDATE OR DELETE ON provider_overrides FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER provider_overrides_no_truncate BEFORE TRUNCATE ON provider_overrides FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER callbacks_append_only BEFORE UPDATE OR DELETE ON callbacks FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER callbacks_no_truncate BEFORE TRUNCATE ON callbacks FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER lookups_append_only BEFORE UPDATE OR DELETE ON lookups FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER lookups_no_truncate BEFORE TRUNCATE ON lookups FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER deliveries_append_only BEFORE UPDATE OR DELETE ON deliveries FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER deliveries_no_truncate BEFORE TRUNCATE ON deliveries FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER feed_append_only BEFORE UPDATE OR DELETE ON feed FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER feed_no_truncate BEFORE TRUNCATE ON feed FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

-- matches, payouts and settlement_lines: one column alone may be set, once, from NULL; a match together with its un-match row.
-- +goose StatementBegin
CREATE FUNCTION only_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR to_jsonb(OLD) ->> TG_ARGV[0] IS NOT NULL
       OR (to_jsonb(NEW) - TG_ARGV[0]) IS DISTINCT FROM (to_jsonb(OLD) - TG_ARGV[0]) THEN
        RAISE EXCEPTION '% is append-only; % may be set once', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF TG_TABLE_NAME = 'matches' AND NOT EXISTS (SELECT FROM unmatches WHERE match_id = OLD.id) THEN
        RAISE EXCEPTION 'match % may end only with its un-match row', OLD.id USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER matches_end BEFORE UPDATE OR DELETE ON matches FOR EACH ROW EXECUTE FUNCTION only_end('ended_at');
CREATE TRIGGER payouts_end BEFORE UPDATE OR DELETE ON payouts FOR EACH ROW EXECUTE FUNCTION only_end('ended_at');
CREATE TRIGGER settlement_lines_end BEFORE UPDATE OR DELETE ON settlement_lines FOR EACH ROW EXECUTE FUNCTION only_end('superseded_at');

-- Monthly partitions for what is append-only and has no global key, and the feed's by number. A default partition takes what
-- comes outside, so that a clock far away never refuses a row.
CREATE TABLE audit_default PARTITION OF audit DEFAULT;
CREATE TABLE callbacks_default PARTITION OF callbacks DEFAULT;
CREATE TABLE lookups_default PARTITION OF lookups DEFAULT;
CREATE TABLE deliveries_default PARTITION OF deliveries DEFAULT;
CREATE TABLE feed_default PARTITION OF feed DEFAULT;
-- +goose StatementBegin
CREATE FUNCTION ensure_partitions(around timestamptz) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    t text; m date; n bigint; name text;
BEGIN
    PERFORM pg_advisory_xact_lock(7310001);
    FOREACH t IN ARRAY ARRAY['audit', 'callbacks', 'lookups', 'deliveries'] LOOP
        FOR i IN -1..2 LOOP
            m := date_trunc('month', around AT TIME ZONE 'UTC')::date + make_interval(months => i);
            name := t || '_' || to_char(m, 'YYYYMM');
            IF to_regclass(name) IS NULL THEN
                BEGIN
                    EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name, t, m::timestamp AT TIME ZONE 'UTC', (m + interval '1 month')::timestamp AT TIME ZONE 'UTC');
                EXCEPTION WHEN check_violation THEN NULL; -- the default partition already has rows of that month: they stay there
                END;
            END IF;
        END LOOP;
    END LOOP;
    SELECT last_value / 1000000 INTO n FROM feed_numbers;
    FOR i IN 0..1 LOOP
        name := 'feed_' || (n + i);
        IF to_regclass(name) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE TABLE %I PARTITION OF feed FOR VALUES FROM (%s) TO (%s)', name, (n + i) * 1000000, (n + i + 1) * 1000000);
            EXCEPTION WHEN check_violation THEN NULL;
            END;
        END IF;
    END LOOP;
END $$;
-- +goose StatementEnd

-- Least rights: what is evidence can be read and added to; only these tables can be changed; only these rows can go.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO feegate_service;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO feegate_service;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO feegate_service;
GRANT SELECT ON feed_numbers TO feegate_service;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO feegate_service;
REVOKE INSERT ON goose_db_version FROM feegate_service;
GRANT UPDATE ON orders, order_lines, payers, idempotency_keys, payments, refunds, merchant_accounts, account_secrets, webhook_endpoints,
    webhook_retries, imports, days, discrepancies, resolutions, surplus_applications, sessions, users, api_keys, clients, source_systems,
    fields, communes, agencies, procedures, fee_schedules, pilot_discounts, targets, staff_accounts TO feegate_service;
GRANT UPDATE (ended_at) ON matches, payouts TO feegate_service;
GRANT UPDATE (superseded_at) ON settlement_lines TO feegate_service;
GRANT DELETE ON outbox, idempotency_keys, sessions, login_failures, webhook_retries, webhook_endpoints, settlement_staging, raw_keys, payers, procedure_agencies TO feegate_service;

SELECT ensure_partitions(now());
