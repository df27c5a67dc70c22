-- +goose Up
-- A business at a notifier may watch several agencies' bank accounts: whether a movement is rightly told is a matter of who tells.
ALTER TABLE bank_transfer_sources ADD COLUMN owns boolean NOT NULL DEFAULT true;
CREATE INDEX bank_transfers_at ON bank_transfers (business_day(at));
CREATE INDEX bank_transfers_heard ON bank_transfers (business_day(recorded_at));
CREATE INDEX refund_list_items_reference ON refund_list_items (reference);
CREATE INDEX statement_lines_recorded ON statement_lines (recorded_at);
-- The same bytes may be the statement of two accounts, where the file names none.
DROP INDEX imports_once;
CREATE UNIQUE INDEX imports_once ON imports (sha256) WHERE status = 'visible' AND lines > 0 AND kind = 'settlement';
CREATE UNIQUE INDEX imports_once_a_bank ON imports (sha256, bank_account) WHERE status = 'visible' AND lines > 0 AND kind = 'statement';
-- A sum of several movements is not one of them: it waits for its details.
ALTER TABLE statement_lines DROP CONSTRAINT statement_lines_type_check, ADD CONSTRAINT statement_lines_type_check CHECK (type IN ('transfer', 'fee', 'interest', 'reversal', 'other', 'batch'));
