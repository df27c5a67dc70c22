-- +goose Up
CREATE TABLE imports (
    id             text PRIMARY KEY,
    kind           text NOT NULL CHECK (kind IN ('settlement', 'statement')),
    account_id     text REFERENCES merchant_accounts,
    bank_account   text,
    date           date,
    status         text NOT NULL CHECK (status IN ('staged', 'visible', 'superseded')),
    file_name      text NOT NULL DEFAULT '',
    sha256         text NOT NULL,
    lines          bigint NOT NULL DEFAULT 0,
    amount         signed_vnd NOT NULL DEFAULT 0,
    fee            vnd NOT NULL DEFAULT 0,
    net            signed_vnd NOT NULL DEFAULT 0,
    findings       jsonb NOT NULL DEFAULT '[]',
    replaces       text REFERENCES imports,
    imported_by    text NOT NULL,
    recorded_at    timestamptz NOT NULL,
    superseded_at  timestamptz,
    CHECK ((kind = 'settlement') = (account_id IS NOT NULL AND date IS NOT NULL))
);
CREATE UNIQUE INDEX imports_once ON imports (sha256) WHERE status = 'visible' AND lines > 0;
CREATE INDEX imports_day ON imports (account_id, date);

-- Rows of a file on their way in: loaded in short chunks, unlogged since the file can be sent again.
CREATE UNLOGGED TABLE settlement_staging (
    import_id   text NOT NULL,
    line_no     bigint NOT NULL,
    type        text NOT NULL,
    reference   text NOT NULL,
    transaction text NOT NULL,
    original    text NOT NULL,
    amount      bigint NOT NULL,
    fee         bigint NOT NULL,
    net         bigint NOT NULL,
    at          timestamptz NOT NULL,
    own_date    date NOT NULL,
    row_status  text NOT NULL,
    success     boolean NOT NULL,
    key         text NOT NULL
);
CREATE INDEX settlement_staging_import ON settlement_staging (import_id);

CREATE TABLE settlement_lines (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    import_id     text NOT NULL REFERENCES imports,
    account_id    text NOT NULL,
    date          date NOT NULL, -- of the file
    line_no       bigint NOT NULL,
    type          text NOT NULL CHECK (type IN ('payment', 'refund')),
    reference     text NOT NULL,
    transaction   text NOT NULL,
    original      text NOT NULL,
    amount        vnd NOT NULL,
    fee           vnd NOT NULL,
    net           signed_vnd NOT NULL,
    at            timestamptz NOT NULL,
    own_date      date NOT NULL,
    row_status    text NOT NULL,
    success       boolean NOT NULL,
    key           text NOT NULL,
    occurrence    int NOT NULL, -- 1 for the first row of its key in the file
    superseded_at timestamptz,
    CHECK (net = CASE type WHEN 'payment' THEN amount ELSE -amount END - fee)
);
CREATE UNIQUE INDEX settlement_lines_once ON settlement_lines (account_id, date, key, occurrence) WHERE superseded_at IS NULL;
CREATE INDEX settlement_lines_reference ON settlement_lines (account_id, reference) WHERE superseded_at IS NULL;
CREATE INDEX settlement_lines_transaction ON settlement_lines (account_id, transaction) WHERE superseded_at IS NULL;
CREATE INDEX settlement_lines_import ON settlement_lines (import_id);

-- A payment or refund and its settlement line, exclusive on both sides while not ended.
CREATE TABLE matches (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id  text REFERENCES payments,
    refund_id   text REFERENCES refunds,
    line_id     bigint NOT NULL REFERENCES settlement_lines,
    account_id  text NOT NULL,
    rule        text NOT NULL, -- transaction, reference, person
    recorded_at timestamptz NOT NULL,
    ended_at    timestamptz,
    CHECK (num_nonnulls(payment_id, refund_id) = 1)
);
CREATE UNIQUE INDEX matches_payment ON matches (payment_id) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX matches_refund ON matches (refund_id) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX matches_line ON matches (line_id) WHERE ended_at IS NULL;
CREATE TABLE unmatches (
    match_id    bigint PRIMARY KEY REFERENCES matches,
    reason      text NOT NULL,
    actor       text NOT NULL,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE statement_lines (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    import_id    text NOT NULL REFERENCES imports,
    bank_account text NOT NULL,
    booked_on    date NOT NULL,
    amount       signed_vnd NOT NULL,
    reference    text NOT NULL,
    description  text NOT NULL,
    key          text NOT NULL,
    occurrence   int NOT NULL,
    recorded_at  timestamptz NOT NULL,
    UNIQUE (bank_account, key, occurrence)
);
CREATE TABLE payouts (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    line_id           bigint NOT NULL REFERENCES settlement_lines,
    statement_line_id bigint NOT NULL REFERENCES statement_lines,
    recorded_at       timestamptz NOT NULL,
    ended_at          timestamptz
);
CREATE UNIQUE INDEX payouts_line ON payouts (line_id) WHERE ended_at IS NULL;
CREATE INDEX payouts_statement_line ON payouts (statement_line_id);

CREATE TABLE days (
    account_id text NOT NULL REFERENCES merchant_accounts,
    date       date NOT NULL,
    status     text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'matched', 'closed', 'signed', 'reopened')),
    closed_by  text,
    closed_at  timestamptz,
    signed_by  text,
    signed_at  timestamptz,
    figures    jsonb,
    sha256     text,
    previous   text,
    matched_at timestamptz,
    PRIMARY KEY (account_id, date),
    CHECK (signed_by IS DISTINCT FROM closed_by OR signed_by IS NULL)
);

CREATE TABLE discrepancies (
    id           text PRIMARY KEY,
    account_id   text NOT NULL REFERENCES merchant_accounts,
    date         date NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('missing_at_provider','missing_at_gateway','amount_mismatch','status_mismatch','duplicate_line','fee_mismatch','wrong_account','refund_unmatched','late','surplus','in_doubt','reversal','file_missing','statement_gap','bank_short','bank_over','bank_unmatched')),
    subject      text NOT NULL, -- what it is about: payment, refund or line; unique per account, day and kind
    status       text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'investigating', 'resolved')),
    amount       signed_vnd NOT NULL, -- the money it is about
    effect       signed_vnd NOT NULL, -- what it explains of ours − settled
    bank_effect  signed_vnd NOT NULL DEFAULT 0,
    payment_id   text REFERENCES payments,
    refund_id    text REFERENCES refunds,
    line_id      bigint REFERENCES settlement_lines,
    detail       jsonb NOT NULL DEFAULT '{}',
    owner        text,
    deadline     date,
    action       text,
    recorded_at  timestamptz NOT NULL,
    resolved_at  timestamptz,
    UNIQUE (account_id, date, kind, subject)
);
CREATE INDEX discrepancies_open ON discrepancies (date, account_id) WHERE status <> 'resolved';
CREATE INDEX discrepancies_payment ON discrepancies (payment_id);
CREATE TABLE discrepancy_history (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    discrepancy_id text NOT NULL REFERENCES discrepancies,
    status         text NOT NULL,
    effect         signed_vnd NOT NULL,
    actor          text NOT NULL,
    note           text NOT NULL DEFAULT '',
    recorded_at    timestamptz NOT NULL
);
CREATE INDEX discrepancy_history_of ON discrepancy_history (discrepancy_id, id);
CREATE TABLE resolutions (
    discrepancy_id text NOT NULL REFERENCES discrepancies,
    n              int NOT NULL,
    action         text NOT NULL CHECK (action IN ('record_payment','carry_forward','refund_payer','claim_from_provider','write_off','accept_match','explain')),
    status         text NOT NULL CHECK (status IN ('proposed', 'done', 'rejected')),
    order_id       text REFERENCES orders,
    note           text NOT NULL DEFAULT '',
    proposed_by    text NOT NULL,
    proposed_at    timestamptz NOT NULL,
    decided_by     text,
    decided_at     timestamptz,
    PRIMARY KEY (discrepancy_id, n),
    CHECK (decided_by IS DISTINCT FROM proposed_by OR decided_by IS NULL),
    CHECK (status <> 'done' OR decided_by IS NOT NULL OR action IN ('carry_forward', 'accept_match', 'explain'))
);
CREATE TABLE surplus_applications (
    id          text PRIMARY KEY,
    payment_id  text NOT NULL REFERENCES payments,
    order_id    text NOT NULL REFERENCES orders,
    amount      vnd NOT NULL CHECK (amount > 0),
    status      text NOT NULL CHECK (status IN ('proposed', 'done', 'rejected')),
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL,
    decided_by  text,
    decided_at  timestamptz,
    CHECK (decided_by IS DISTINCT FROM proposed_by OR decided_by IS NULL),
    CHECK (status = 'proposed' OR decided_by IS NOT NULL)
);
CREATE TABLE report_revisions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    period_from date NOT NULL,
    period_to   date NOT NULL,
    group_by    text NOT NULL,
    revision    int NOT NULL,
    as_of       timestamptz NOT NULL,
    figures     jsonb NOT NULL,
    sha256      text NOT NULL,
    closed_by   text NOT NULL,
    recorded_at timestamptz NOT NULL,
    UNIQUE (period_from, period_to, group_by, revision)
);
