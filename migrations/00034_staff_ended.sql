-- +goose Up
-- Who ends the declaration of a staff account has what was paid from it counted as online again: another person than declared it.
ALTER TABLE staff_accounts ADD COLUMN ended_by text;
ALTER TABLE staff_accounts ADD CONSTRAINT staff_accounts_another_person
    CHECK ((ended_by IS NULL OR ended_by <> declared_by) AND (declared_by = '' OR (ended_by IS NULL) = (ended_at IS NULL))) NOT VALID; -- those that ended before stay as they are
-- +goose StatementBegin
CREATE FUNCTION staff_account_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.ended_at IS NOT NULL OR to_jsonb(NEW) - '{ended_at,ended_by}'::text[] IS DISTINCT FROM to_jsonb(OLD) - '{ended_at,ended_by}'::text[] THEN
        RAISE EXCEPTION 'staff_accounts is append-only; ended_at and ended_by may be set once' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
DROP TRIGGER staff_accounts_end ON staff_accounts;
CREATE TRIGGER staff_accounts_end BEFORE UPDATE OR DELETE ON staff_accounts FOR EACH ROW EXECUTE FUNCTION staff_account_ends();
GRANT UPDATE (ended_by) ON staff_accounts TO feegate_service;
GRANT EXECUTE ON FUNCTION staff_account_ends TO feegate_service;
