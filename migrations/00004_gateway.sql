-- +goose Up
CREATE TABLE orders (
    id              text PRIMARY KEY,
    client_id       text NOT NULL REFERENCES clients,
    source_system   text NOT NULL REFERENCES source_systems,
    mode            run_mode NOT NULL,
    reference       text NOT NULL,
    dossier_code    text NOT NULL,
    procedure_code  text NOT NULL REFERENCES procedures,
    agency_code     text NOT NULL REFERENCES agencies,
    filing_mode     text CHECK (filing_mode IN ('online', 'counter', 'postal')),
    status          text NOT NULL CHECK (status IN ('no_payment_needed','open','paid','expired','cancelled','superseded','partly_refunded','refunded')),
    amount          vnd NOT NULL,
    paid_amount     vnd NOT NULL DEFAULT 0,     -- Σ allocations, reversals taken off
    refunded_amount vnd NOT NULL DEFAULT 0,     -- of allocated money only
    late            boolean NOT NULL DEFAULT false,
    kinds           text[] NOT NULL,
    return_url      text NOT NULL DEFAULT '',
    supersedes      text REFERENCES orders,
    metadata        jsonb NOT NULL DEFAULT '{}',
    priced_on       date,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    settled_at      timestamptz, -- when the order came to be paid, as recorded
    UNIQUE (client_id, reference),
    CHECK (paid_amount <= amount),
    CHECK (refunded_amount <= paid_amount),
    CHECK ((status = 'no_payment_needed') = (amount = 0)),
    CHECK (status NOT IN ('paid', 'partly_refunded', 'refunded') OR paid_amount = amount)
);
CREATE INDEX orders_dossier ON orders (source_system, dossier_code);
CREATE INDEX orders_created ON orders (source_system, created_at DESC, id DESC);
CREATE INDEX orders_due ON orders (expires_at) WHERE status = 'open';
CREATE INDEX orders_open ON orders (agency_code, created_at) WHERE status = 'open';

-- live: the order is open, paid or partly refunded. The index below is the rule "one live order per fee of a dossier".
CREATE TABLE order_lines (
    order_id      text NOT NULL REFERENCES orders,
    n             smallint NOT NULL,
    source_system text NOT NULL,
    dossier_code  text NOT NULL,
    fee_code      text NOT NULL,
    purpose       text NOT NULL DEFAULT '',
    kind          fee_kind NOT NULL,
    name          text NOT NULL,
    quantity      int NOT NULL CHECK (quantity BETWEEN 1 AND 9999),
    unit_amount   vnd NOT NULL,
    gross         vnd NOT NULL,
    net           vnd NOT NULL,
    adjustments   jsonb NOT NULL DEFAULT '[]',
    tax_notice    jsonb,
    live          boolean NOT NULL,
    PRIMARY KEY (order_id, n),
    CHECK (gross = quantity * unit_amount),
    CHECK (net <= gross)
);
CREATE UNIQUE INDEX order_lines_live ON order_lines (source_system, dossier_code, fee_code, purpose) WHERE live;

-- Personal data lives here alone: mutable, encrypted, erasable without touching an amount.
CREATE TABLE payers (
    order_id text PRIMARY KEY REFERENCES orders,
    sealed   bytea NOT NULL,
    relation text NOT NULL DEFAULT 'self' CHECK (relation IN ('self', 'authorised', 'organisation'))
);

CREATE TABLE idempotency_keys (
    principal  text NOT NULL,
    method     text NOT NULL,
    path       text NOT NULL,
    key        text NOT NULL,
    body_hash  bytea NOT NULL,
    object_id  text NOT NULL,
    status     int,   -- NULL: still in flight
    response   text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (principal, method, path, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

CREATE TABLE payments (
    id                   text PRIMARY KEY,
    order_id             text NOT NULL REFERENCES orders,
    account_id           text REFERENCES merchant_accounts, -- NULL: counter money
    provider             text NOT NULL,
    provider_reference   text NOT NULL,
    status               text NOT NULL CHECK (status IN ('created','pending','succeeded','failed','expired','reversed')),
    mode                 run_mode NOT NULL,
    requested_amount     vnd NOT NULL CHECK (requested_amount > 0),
    received_amount      vnd NOT NULL DEFAULT 0,
    allocated_amount     vnd NOT NULL DEFAULT 0,
    reserved_amount      vnd NOT NULL DEFAULT 0, -- refunds asked for and not rejected
    method               text NOT NULL DEFAULT '',
    initiated_by         text NOT NULL DEFAULT 'payer' CHECK (initiated_by IN ('payer', 'officer')),
    place                text NOT NULL DEFAULT 'remote' CHECK (place IN ('remote', 'counter')),
    channel              text CHECK (channel IN ('cash_counter','cash_postal','pos_counter','transfer_unref','qr_counter_self','qr_remote','transfer_ref','portal_checkout','treasury_epay','officer_proxy')),
    channel_rule         text,
    locale               text NOT NULL DEFAULT 'vi',
    payer_ip             text NOT NULL DEFAULT '',
    description          text NOT NULL DEFAULT '',
    redirect             jsonb,
    provider_transaction text NOT NULL DEFAULT '',
    code                 text NOT NULL DEFAULT '',
    reason               text NOT NULL DEFAULT '',
    in_doubt             boolean NOT NULL DEFAULT false, -- the last word was unusable or "ask a person"
    payer_kind           text NOT NULL DEFAULT '',
    payer_bank           text NOT NULL DEFAULT '',
    payer_masked         text NOT NULL DEFAULT '',
    payer_digest         bytea,
    created_at           timestamptz NOT NULL,
    expires_at           timestamptz,
    paid_at              timestamptz, -- the provider's word
    recorded_at          timestamptz, -- when we learnt it
    next_lookup_at       timestamptz,
    lookup_lease_until   timestamptz,
    last_lookup_at       timestamptz,
    last_lookup_outcome  text NOT NULL DEFAULT '',
    lookups              int NOT NULL DEFAULT 0,
    UNIQUE (account_id, provider_reference),
    CHECK (allocated_amount <= received_amount),
    CHECK (reserved_amount <= received_amount),
    CHECK (status IN ('succeeded', 'reversed') OR received_amount = 0),
    CHECK (status NOT IN ('succeeded', 'reversed') OR (paid_at IS NOT NULL AND recorded_at IS NOT NULL AND channel IS NOT NULL))
);
CREATE INDEX payments_order ON payments (order_id);
CREATE INDEX payments_due ON payments (next_lookup_at) WHERE next_lookup_at IS NOT NULL;
CREATE INDEX payments_day ON payments (account_id, business_day(paid_at)) WHERE status IN ('succeeded', 'reversed');
CREATE INDEX payments_transaction ON payments (account_id, provider_transaction) WHERE provider_transaction <> '';
CREATE INDEX payments_paid ON payments (paid_at) WHERE status IN ('succeeded', 'reversed');

CREATE TABLE counter_payments (
    payment_id     text PRIMARY KEY REFERENCES payments,
    agency_code    text NOT NULL REFERENCES agencies,
    receipt_series text,
    receipt_number text,
    officer        text NOT NULL,
    recorded_by    text NOT NULL,
    postal         boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX counter_payments_receipt ON counter_payments (agency_code, coalesce(receipt_series, ''), receipt_number) WHERE receipt_number IS NOT NULL;
CREATE TABLE voids (
    payment_id  text PRIMARY KEY REFERENCES payments,
    by_actor    text NOT NULL,
    reason      text NOT NULL,
    recorded_at timestamptz NOT NULL
);

-- What a payment pays. Several rows per pair are possible: surplus applied later.
CREATE TABLE allocations (
    payment_id  text NOT NULL REFERENCES payments,
    order_id    text NOT NULL REFERENCES orders,
    n           int NOT NULL DEFAULT 0,
    amount      vnd NOT NULL CHECK (amount > 0),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (payment_id, order_id, n)
);
CREATE INDEX allocations_order ON allocations (order_id);

CREATE TABLE reversals (
    payment_id   text PRIMARY KEY REFERENCES payments,
    source       text NOT NULL,
    effective_at timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL
);

CREATE TABLE refunds (
    id                   text PRIMARY KEY,
    payment_id           text NOT NULL REFERENCES payments,
    order_id             text NOT NULL REFERENCES orders,
    account_id           text REFERENCES merchant_accounts,
    status               text NOT NULL CHECK (status IN ('requested','approved','rejected','submitted','succeeded','failed')),
    amount               vnd NOT NULL CHECK (amount > 0),
    surplus_part         vnd NOT NULL,
    allocated_part       vnd NOT NULL,
    reason               text NOT NULL,
    provider_reference   text NOT NULL UNIQUE,
    provider_transaction text NOT NULL DEFAULT '',
    code                 text NOT NULL DEFAULT '',
    requested_by         text NOT NULL,
    requested_at         timestamptz NOT NULL,
    decided_by           text,
    decided_at           timestamptz,
    submitted_at         timestamptz,
    sends                int NOT NULL DEFAULT 0,
    in_doubt             boolean NOT NULL DEFAULT false,
    effective_at         timestamptz, -- the provider's word
    recorded_at          timestamptz, -- when the success was learnt
    next_lookup_at       timestamptz,
    lookup_lease_until   timestamptz,
    lookups              int NOT NULL DEFAULT 0,
    last_lookup_at       timestamptz,
    CHECK (amount = surplus_part + allocated_part),
    CHECK (decided_by IS DISTINCT FROM requested_by), -- another person
    CHECK (status IN ('requested') OR decided_by IS NOT NULL)
);
CREATE INDEX refunds_payment ON refunds (payment_id);
CREATE INDEX refunds_order ON refunds (order_id);
CREATE INDEX refunds_due ON refunds (next_lookup_at) WHERE next_lookup_at IS NOT NULL;
CREATE UNIQUE INDEX refunds_one_at_a_time ON refunds (payment_id) WHERE status = 'submitted';
CREATE INDEX refunds_day ON refunds (account_id, business_day(effective_at)) WHERE status = 'succeeded';

-- Every change of state of orders, payments and refunds: what as-of questions and timelines read.
CREATE TABLE history (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    object_id   text NOT NULL,
    from_status text NOT NULL,
    to_status   text NOT NULL,
    source      text NOT NULL, -- callback, return, lookup, checkout, settlement, person, clock, …
    actor       text NOT NULL DEFAULT '',
    detail      text NOT NULL DEFAULT '',
    recorded_at timestamptz NOT NULL
);
CREATE INDEX history_object ON history (object_id, id);

-- One row is one transfer between two accounts of the records: it cannot be unbalanced.
CREATE TABLE moves (
    cause_type   text NOT NULL,
    cause_id     text NOT NULL,
    leg          text NOT NULL,
    from_account text NOT NULL,
    to_account   text NOT NULL,
    amount       vnd NOT NULL CHECK (amount > 0),
    account_id   text,
    effective_at timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (cause_type, cause_id, leg),
    CHECK (from_account <> to_account)
);
CREATE INDEX moves_account ON moves (account_id, recorded_at);

CREATE TABLE dossiers (
    source_system text NOT NULL REFERENCES source_systems,
    dossier_code  text NOT NULL,
    n             int NOT NULL,
    status        text NOT NULL CHECK (status IN ('open', 'closed', 'withdrawn')),
    procedure_code text NOT NULL REFERENCES procedures,
    agency_code   text NOT NULL REFERENCES agencies,
    received_on   date NOT NULL,
    started_at    timestamptz,
    closed_at     timestamptz,
    amount_due    vnd,
    applicant_ref text NOT NULL DEFAULT '',
    service_level text NOT NULL DEFAULT '',
    mode          run_mode NOT NULL,
    recorded_at   timestamptz NOT NULL,
    PRIMARY KEY (source_system, dossier_code, n), -- every PUT that changes something is a new row
    CHECK (status <> 'closed' OR closed_at IS NOT NULL)
);
CREATE INDEX dossiers_closed ON dossiers (closed_at) WHERE status = 'closed';

CREATE TABLE receipts (
    order_id    text NOT NULL REFERENCES orders,
    kind        fee_kind NOT NULL,
    series      text NOT NULL,
    number      text NOT NULL,
    pdf_sha256  text NOT NULL DEFAULT '',
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, kind, series, number)
);
CREATE TABLE deposits (
    id           text PRIMARY KEY,
    agency_code  text NOT NULL REFERENCES agencies,
    bank_account text NOT NULL,
    slip_number  text NOT NULL,
    deposited_at timestamptz NOT NULL,
    amount       vnd NOT NULL CHECK (amount > 0),
    recorded_by  text NOT NULL,
    recorded_at  timestamptz NOT NULL,
    UNIQUE (bank_account, slip_number)
);
CREATE TABLE deposit_items (
    deposit_id text NOT NULL REFERENCES deposits,
    payment_id text NOT NULL UNIQUE REFERENCES payments,
    amount     vnd NOT NULL,
    PRIMARY KEY (deposit_id, payment_id)
);

-- Raw evidence of what came in and what we asked: append-only, partitioned by month, no global key. body is sealed.
CREATE TABLE callbacks (
    received_at timestamptz NOT NULL,
    account_id  text NOT NULL,
    payment_id  text NOT NULL DEFAULT '',
    kind        text NOT NULL CHECK (kind IN ('callback', 'return')),
    verdict     text NOT NULL,
    digest      bytea NOT NULL,
    sealed      bytea NOT NULL
) PARTITION BY RANGE (received_at);
CREATE INDEX callbacks_payment ON callbacks (payment_id, received_at) WHERE payment_id <> '';
CREATE TABLE lookups (
    asked_at   timestamptz NOT NULL,
    object_id  text NOT NULL, -- payment or refund
    account_id text NOT NULL,
    outcome    text NOT NULL,
    code       text NOT NULL DEFAULT '',
    detail     text NOT NULL DEFAULT '',
    took_ms    int NOT NULL DEFAULT 0
) PARTITION BY RANGE (asked_at);
CREATE INDEX lookups_object ON lookups (object_id, asked_at);
-- A key per month seals the raw callbacks of that month; destroying the row destroys them.
CREATE TABLE raw_keys (month date PRIMARY KEY, sealed bytea NOT NULL);
