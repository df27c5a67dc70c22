-- +goose Up
-- A payment that only the provider's settlement knew has no order where nobody can say what it was for. Every other payment has one.
ALTER TABLE payments ALTER COLUMN order_id DROP NOT NULL;
ALTER TABLE payments ADD CONSTRAINT payments_order_known CHECK (order_id IS NOT NULL OR channel_rule IS NOT DISTINCT FROM 'found');

-- healed: the rows themselves no longer differ. A resolved one that is not healed was explained or written off: its effect stands.
ALTER TABLE discrepancies ADD COLUMN healed boolean NOT NULL DEFAULT false;
UPDATE discrepancies SET healed = true WHERE status = 'resolved' AND action IS NULL;
CREATE INDEX discrepancies_line ON discrepancies (line_id);
-- The payment that a person says a line belongs to, or that a resolution recorded.
ALTER TABLE resolutions ADD COLUMN payment_id text REFERENCES payments;
CREATE UNIQUE INDEX resolutions_one_proposal ON resolutions (discrepancy_id) WHERE status = 'proposed';

-- What matching asks: a day's lines with the replaced ones, the same row in another day's file, our payment in another account's.
CREATE INDEX settlement_lines_day ON settlement_lines (account_id, date);
CREATE INDEX settlement_lines_key ON settlement_lines (account_id, key) WHERE superseded_at IS NULL;
CREATE INDEX settlement_lines_spoken ON settlement_lines (reference) WHERE superseded_at IS NULL;
CREATE INDEX refunds_transaction ON refunds (account_id, provider_transaction) WHERE provider_transaction <> '';
CREATE INDEX payments_doubted ON payments (account_id, business_day(created_at)) WHERE status = 'pending' AND in_doubt;
CREATE INDEX callbacks_mismatch ON callbacks (account_id, received_at) WHERE verdict = 'amount_mismatch';
