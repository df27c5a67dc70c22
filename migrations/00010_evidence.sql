-- +goose Up
-- What proves a payment, as it was known at a time. It is computed from base rows by the time each was recorded: no column
-- holds it, so nothing can set it. A row for every payment whose success was known then. From the weakest: none (typed by hand
-- at the counter, without the agency's receipt), disputed (a discrepancy says that the money may not be ours), provisional
-- (the provider's word, or a receipt), confirmed (an exclusive match to a settlement line); reversed: taken back.
-- bank_proven: the line's payout was found at the bank too. One statement and nothing else, so that the planner can inline it.
CREATE FUNCTION evidence_at(as_of timestamptz)
    RETURNS TABLE (payment_id text, evidence text, line_id bigint, bank_proven boolean)
    LANGUAGE sql STABLE AS $$
    SELECT p.id,
        CASE WHEN v.payment_id IS NOT NULL THEN 'reversed'
             WHEN p.account_id IS NULL AND c.receipt_number IS NULL THEN 'none'
             WHEN d.payment_id IS NOT NULL THEN 'disputed'
             WHEN m.line_id IS NOT NULL THEN 'confirmed'
             ELSE 'provisional' END,
        m.line_id, o.line_id IS NOT NULL
    FROM payments p
    LEFT JOIN reversals v ON v.payment_id = p.id AND v.recorded_at <= as_of
    LEFT JOIN counter_payments c ON c.payment_id = p.id
    LEFT JOIN matches m ON m.payment_id = p.id AND m.recorded_at <= as_of AND (m.ended_at IS NULL OR m.ended_at > as_of)
    LEFT JOIN payouts o ON o.line_id = m.line_id AND o.recorded_at <= as_of AND (o.ended_at IS NULL OR o.ended_at > as_of)
    LEFT JOIN (
        SELECT DISTINCT x.payment_id FROM discrepancies x
        WHERE x.kind IN ('in_doubt', 'wrong_account', 'reversal') AND x.payment_id IS NOT NULL AND x.recorded_at <= as_of
        AND coalesce((SELECT h.status FROM discrepancy_history h WHERE h.discrepancy_id = x.id AND h.recorded_at <= as_of ORDER BY h.id DESC LIMIT 1), 'open') <> 'resolved'
    ) d ON d.payment_id = p.id
    WHERE p.recorded_at <= as_of AND p.status IN ('succeeded', 'reversed')
$$;
GRANT EXECUTE ON FUNCTION evidence_at TO feegate_service;

-- The live ones are indexed already; the past needs all of them.
CREATE INDEX matches_of_payment ON matches (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX payouts_of_line ON payouts (line_id);
CREATE INDEX orders_exempt ON orders (created_at) WHERE amount = 0;

-- Another person than who recorded it.
-- +goose StatementBegin
CREATE FUNCTION void_by_another() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM counter_payments WHERE payment_id = NEW.payment_id AND recorded_by <> NEW.by_actor) THEN
        RAISE EXCEPTION 'a void is by another person than who recorded the money' USING ERRCODE = 'check_violation', CONSTRAINT = 'voids_another_person';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER voids_another BEFORE INSERT ON voids FOR EACH ROW EXECUTE FUNCTION void_by_another();
