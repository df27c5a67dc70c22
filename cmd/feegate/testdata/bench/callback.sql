-- What a plain program would do for one successful callback, statement by statement: the same rows into the same tables as the service.
\set i :i + 1
\set n :base + :i * :clients + :client_id
BEGIN;
SELECT status, requested_amount, order_id FROM payments WHERE id = 'pay_b' || :n FOR UPDATE;
UPDATE payments SET status = 'succeeded', received_amount = 50000, allocated_amount = 50000, channel = 'portal_checkout', channel_rule = 'OPR-1',
    provider_transaction = 'T' || :n, code = '00', paid_at = '20260310T030100Z', recorded_at = '20260310T030101Z', next_lookup_at = NULL
    WHERE id = 'pay_b' || :n AND status = 'pending';
UPDATE orders SET status = 'paid', paid_amount = 50000, settled_at = '20260310T030101Z' WHERE id = 'ord_b' || :n AND status = 'open';
INSERT INTO callbacks (received_at, account_id, payment_id, kind, verdict, digest, sealed)
VALUES ('20260310T030101Z', 'acc_vnpay', 'pay_b' || :n, 'callback', 'recorded', '\x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff', convert_to(repeat('x', 700), 'UTF8'));
INSERT INTO allocations (payment_id, order_id, n, amount, recorded_at) VALUES ('pay_b' || :n, 'ord_b' || :n, 0, 50000, '20260310T030101Z');
INSERT INTO moves (cause_type, cause_id, leg, from_account, to_account, amount, account_id, effective_at, recorded_at)
VALUES ('payment', 'pay_b' || :n, 'allocated', 'payer', 'clearing' || chr(58) || 'acc_vnpay', 50000, 'acc_vnpay', '20260310T030100Z', '20260310T030101Z');
INSERT INTO history (object_id, from_status, to_status, source, detail, recorded_at)
VALUES ('pay_b' || :n, 'pending', 'succeeded', 'callback', 'code 00', '20260310T030101Z');
INSERT INTO history (object_id, from_status, to_status, source, recorded_at)
VALUES ('ord_b' || :n, 'open', 'paid', 'callback', '20260310T030101Z');
INSERT INTO outbox (event_id, type, client_id, source_system, order_id, body, recorded_at)
VALUES ('evt_p' || :n, 'payment.succeeded', 'cli_bench', 'bench', 'ord_b' || :n, repeat('x', 900), '20260310T030101Z');
INSERT INTO outbox (event_id, type, client_id, source_system, order_id, body, recorded_at)
VALUES ('evt_o' || :n, 'order.paid', 'cli_bench', 'bench', 'ord_b' || :n, repeat('x', 1500), '20260310T030101Z');
COMMIT;
