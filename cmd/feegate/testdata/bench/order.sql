-- What a plain program would write for one order, statement by statement: the same rows into the same tables as the service.
\set r random(1, 1000000000000000)
BEGIN;
INSERT INTO orders (id, client_id, source_system, mode, reference, dossier_code, procedure_code, agency_code, status, amount, kinds, created_at, expires_at)
VALUES ('ord_n' || :r, 'cli_bench', 'bench', 'live', 'N' || :r, 'H10.12-260310-' || :r, '1.001', 'H10.12', 'open', 50000, '{le_phi}', '20260310T030000Z', '20260317T030000Z');
INSERT INTO order_lines (order_id, n, source_system, dossier_code, fee_code, kind, name, quantity, unit_amount, gross, net, live)
VALUES ('ord_n' || :r, 1, 'bench', 'H10.12-260310-' || :r, 'HT1', 'le_phi', 'Lệ phí', 2, 25000, 50000, 50000, true);
INSERT INTO idempotency_keys (principal, method, path, key, body_hash, object_id, status, response, created_at)
VALUES ('cli_bench', 'POST', '/v1/orders', 'n' || :r, '\x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff', 'ord_n' || :r, 201, repeat('x', 900), '20260310T030000Z');
INSERT INTO outbox (event_id, type, client_id, source_system, order_id, body, recorded_at)
VALUES ('evt_n' || :r, 'order.created', 'cli_bench', 'bench', 'ord_n' || :r, repeat('x', 1000), '20260310T030000Z');
COMMIT;
