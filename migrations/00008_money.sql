-- +goose Up
-- What refunds reserve and have paid back, beside the payment itself: no question about what is left needs a sum over refunds,
-- and no race can take more than was received, whoever asks. A reversed payment keeps its succeeded refunds as facts.
ALTER TABLE payments
    ADD COLUMN reserved_surplus vnd NOT NULL DEFAULT 0, -- of reserved_amount: out of surplus
    ADD COLUMN refunded_amount  vnd NOT NULL DEFAULT 0, -- of reserved_amount: paid back
    ADD COLUMN refunded_surplus vnd NOT NULL DEFAULT 0, -- of refunded_amount: out of surplus
    ADD CONSTRAINT payments_reserved_surplus CHECK (status = 'reversed' OR reserved_surplus <= received_amount - allocated_amount),
    ADD CONSTRAINT payments_reserved_allocated CHECK (status = 'reversed' OR reserved_amount - reserved_surplus <= allocated_amount),
    ADD CONSTRAINT payments_refunded CHECK (refunded_amount <= reserved_amount AND refunded_surplus <= reserved_surplus AND refunded_surplus <= refunded_amount);
CREATE INDEX payments_surplus ON payments (recorded_at, id) WHERE status = 'succeeded' AND received_amount > allocated_amount + refunded_surplus;
-- People see orders of every source system, newest first.
CREATE INDEX orders_newest ON orders (created_at DESC, id DESC);

-- manual: no interface can pay this back (counter money, a provider without refunds, money of a tax notice); people do, by transfer.
ALTER TABLE refunds ADD COLUMN manual boolean NOT NULL DEFAULT false;
-- An approved refund can be taken back before it is sent: by a person, or because its payment was reversed.
DROP TRIGGER refunds_state ON refunds;
CREATE TRIGGER refunds_state BEFORE UPDATE OF status ON refunds FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION check_transition('{requested>approved,requested>rejected,approved>submitted,approved>rejected,submitted>succeeded,submitted>failed,failed>submitted,failed>rejected}');

ALTER TABLE surplus_applications ADD COLUMN note text NOT NULL DEFAULT '';
CREATE INDEX surplus_applications_payment ON surplus_applications (payment_id);
CREATE TRIGGER surplus_applications_state BEFORE UPDATE OF status ON surplus_applications FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION check_transition('{proposed>done,proposed>rejected}');

ALTER TABLE receipts ADD COLUMN recorded_by text NOT NULL DEFAULT '';
