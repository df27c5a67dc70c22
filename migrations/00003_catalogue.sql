-- +goose Up
CREATE TABLE fields (code text PRIMARY KEY, name text NOT NULL);
CREATE TABLE communes (code text PRIMARY KEY, name text NOT NULL);
CREATE TABLE agencies (
    code         text PRIMARY KEY CHECK (code ~ '^[A-Za-z0-9._-]{1,40}$'),
    name         text NOT NULL,
    commune_code text REFERENCES communes,
    position     int NOT NULL DEFAULT 0
);
CREATE TABLE procedures (
    code       text PRIMARY KEY,
    name       text NOT NULL,
    field_code text NOT NULL REFERENCES fields,
    valid_from date NOT NULL DEFAULT '2020-01-01',
    valid_to   date
);
CREATE TABLE procedure_agencies (
    procedure_code text NOT NULL REFERENCES procedures,
    agency_code    text NOT NULL REFERENCES agencies,
    PRIMARY KEY (procedure_code, agency_code)
);
-- Half-open validity [valid_from, valid_to). unit_amount NULL: assessed case by case (a tax notice, a tier).
CREATE TABLE fee_schedules (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fee_code       text NOT NULL CHECK (fee_code ~ '^[A-Za-z0-9._-]{1,40}$'),
    procedure_code text NOT NULL REFERENCES procedures,
    name           text NOT NULL,
    kind           fee_kind NOT NULL,
    unit_amount    vnd,
    legal_basis    text NOT NULL DEFAULT '',
    valid_from     date NOT NULL DEFAULT '2020-01-01',
    valid_to       date,
    UNIQUE (fee_code, valid_from),
    CHECK (valid_to IS NULL OR valid_to > valid_from)
);
-- The reduction for filing online, set by a People's Council resolution.
CREATE TABLE pilot_discounts (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fee_code    text NOT NULL,
    percent     int NOT NULL CHECK (percent BETWEEN 1 AND 100),
    legal_basis text NOT NULL,
    valid_from  date NOT NULL,
    valid_to    date
);
CREATE TABLE targets (
    percent    numeric(5,2) NOT NULL CHECK (percent > 0 AND percent <= 100),
    valid_from date NOT NULL,
    valid_to   date,
    source     text NOT NULL DEFAULT '',
    PRIMARY KEY (percent, valid_from)
);
CREATE TABLE definitions (
    id         text PRIMARY KEY, -- OPR-1
    parameters jsonb NOT NULL DEFAULT '{}',
    valid_from date NOT NULL
);
CREATE TABLE staff_accounts (
    digest     bytea PRIMARY KEY, -- HMAC of the account: never the number
    agency_code text REFERENCES agencies,
    recorded_at timestamptz NOT NULL,
    ended_at   timestamptz
);

CREATE TABLE merchant_accounts (
    id                  text PRIMARY KEY,
    provider            text NOT NULL,
    agency_code         text NOT NULL REFERENCES agencies,
    terminal            text NOT NULL,
    mode                run_mode NOT NULL DEFAULT 'live',
    kinds               text[] NOT NULL CHECK (kinds <@ ARRAY['phi','le_phi','nvtc'] AND cardinality(kinds) > 0),
    methods             text[] NOT NULL DEFAULT '{}', -- empty: all that the provider has
    min_amount          vnd NOT NULL DEFAULT 0,       -- 0: the provider's
    max_amount          vnd NOT NULL DEFAULT 0,
    tariff              jsonb NOT NULL DEFAULT '{"bps": 0, "fixed": 0, "min": 0, "max": 0}',
    base_url            text NOT NULL,
    urls                jsonb NOT NULL DEFAULT '{}',
    timeouts            jsonb NOT NULL DEFAULT '{}', -- operation -> milliseconds
    beneficiary_bank    text NOT NULL DEFAULT '',
    beneficiary_account text NOT NULL DEFAULT '',
    beneficiary_name    text NOT NULL DEFAULT '',
    position            int NOT NULL DEFAULT 0,
    valid_from          date NOT NULL DEFAULT '2020-01-01',
    valid_to            date,
    created_at          timestamptz NOT NULL,
    UNIQUE (provider, terminal)
);
CREATE TABLE account_secrets (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id text NOT NULL REFERENCES merchant_accounts,
    sealed     bytea NOT NULL, -- the credentials as JSON, sealed under the master key, bound to the account id
    valid_from timestamptz NOT NULL,
    valid_to   timestamptz
);
CREATE INDEX account_secrets_account ON account_secrets (account_id);
-- An operator's word over the breaker; the newest row per account and operation counts.
CREATE TABLE provider_overrides (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  text NOT NULL REFERENCES merchant_accounts,
    operation   text NOT NULL,
    mode        text NOT NULL CHECK (mode IN ('open', 'closed', 'automatic')),
    reason      text NOT NULL CHECK (reason <> ''),
    by_user     text NOT NULL REFERENCES users,
    recorded_at timestamptz NOT NULL
);
