-- +goose Up
-- A day of a million lines. What an import stages lies in a temporary table of its own connection, which goes with it whatever
-- becomes of the process.
DROP TABLE settlement_staging;

-- Every index of the lines is paid for a million times. The unique one finds a day's lines too; a reference is looked up whole,
-- whoever's it is; the same row in another day's file has the same transaction; the lines of an import are those of its day.
DROP INDEX settlement_lines_reference;
DROP INDEX settlement_lines_spoken;
DROP INDEX settlement_lines_key;
DROP INDEX settlement_lines_import;
DROP INDEX settlement_lines_day;
CREATE INDEX settlement_lines_spoken ON settlement_lines USING hash (reference) WHERE superseded_at IS NULL;
CREATE INDEX settlement_lines_replaced ON settlement_lines (account_id, date) WHERE superseded_at IS NOT NULL;
-- told_apart: when its file came, no other line of its day had its reference or its transaction; false where nobody knows.
ALTER TABLE settlement_lines ADD COLUMN told_apart boolean NOT NULL DEFAULT false;
ALTER TABLE imports ADD COLUMN added bigint NOT NULL DEFAULT 0;
UPDATE imports i SET added = (SELECT count(*) FROM settlement_lines l WHERE l.import_id = i.id) WHERE kind = 'settlement';

-- Row by row, the checks of these references took as long as all the rest, and locked a million payments that callbacks want.
-- What they point to can go nowhere: payments, refunds, lines and imports are never deleted, nor their ids changed, and both
-- tables are filled by statements that read the rows they point to.
ALTER TABLE settlement_lines DROP CONSTRAINT settlement_lines_import_id_fkey;
ALTER TABLE matches DROP CONSTRAINT matches_payment_id_fkey;
ALTER TABLE matches DROP CONSTRAINT matches_refund_id_fkey;
ALTER TABLE matches DROP CONSTRAINT matches_line_id_fkey;

-- One index instead of two: of each payment, one match at most that has not ended, and all that have.
DROP INDEX matches_payment;
DROP INDEX matches_of_payment;
CREATE UNIQUE INDEX matches_payment ON matches (payment_id, (CASE WHEN ended_at IS NULL THEN 0 ELSE id END)) WHERE payment_id IS NOT NULL;
DROP INDEX matches_refund;
CREATE UNIQUE INDEX matches_refund ON matches (refund_id) WHERE ended_at IS NULL AND refund_id IS NOT NULL;
CREATE INDEX matches_ended_line ON matches (line_id) WHERE ended_at IS NOT NULL;

-- The payments that a settlement line made succeed.
CREATE INDEX history_settled ON history (object_id) WHERE source = 'settlement' AND to_status = 'succeeded';

-- The other half of what those references held.
-- +goose StatementBegin
CREATE FUNCTION keep_matched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (TG_TABLE_NAME = 'payments' AND EXISTS (SELECT FROM matches WHERE payment_id = OLD.id))
       OR (TG_TABLE_NAME = 'refunds' AND EXISTS (SELECT FROM matches WHERE refund_id = OLD.id))
       OR (TG_TABLE_NAME = 'imports' AND EXISTS (SELECT FROM settlement_lines WHERE import_id = OLD.id)) THEN
        RAISE EXCEPTION '%: % is referred to', TG_TABLE_NAME, OLD.id USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
-- +goose StatementEnd
CREATE TRIGGER payments_matched BEFORE DELETE OR UPDATE OF id ON payments FOR EACH ROW EXECUTE FUNCTION keep_matched();
CREATE TRIGGER refunds_matched BEFORE DELETE OR UPDATE OF id ON refunds FOR EACH ROW EXECUTE FUNCTION keep_matched();
CREATE TRIGGER imports_with_lines BEFORE DELETE OR UPDATE OF id ON imports FOR EACH ROW EXECUTE FUNCTION keep_matched();
