-- +goose Up
-- An event is written here in its object's own transaction, as the bytes to send; the sequencer moves it into the feed.
CREATE TABLE outbox (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id      text NOT NULL,
    type          text NOT NULL,
    client_id     text NOT NULL DEFAULT '', -- '': for people only
    source_system text NOT NULL DEFAULT '',
    order_id      text NOT NULL DEFAULT '',
    body          text NOT NULL,
    recorded_at   timestamptz NOT NULL
);
CREATE SEQUENCE feed_numbers;
CREATE TABLE feed (
    number        bigint NOT NULL PRIMARY KEY,
    event_id      text NOT NULL,
    type          text NOT NULL,
    client_id     text NOT NULL,
    source_system text NOT NULL,
    order_id      text NOT NULL,
    body          text NOT NULL,
    recorded_at   timestamptz NOT NULL
) PARTITION BY RANGE (number);
CREATE INDEX feed_source ON feed (source_system, number);

CREATE TABLE webhook_endpoints (
    id            text PRIMARY KEY,
    client_id     text NOT NULL REFERENCES clients,
    source_system text NOT NULL,
    url           text NOT NULL,
    types         text[] NOT NULL DEFAULT '{}', -- empty: all
    secrets       bytea NOT NULL,               -- sealed JSON: [{secret, until}], newest first
    status        text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'disabled')),
    cursor        bigint NOT NULL DEFAULT 0,    -- delivered or parked up to here
    failing_since timestamptz,
    next_probe_at timestamptz,
    attempts      int NOT NULL DEFAULT 0,
    lease_until   timestamptz,
    created_at    timestamptz NOT NULL
);
-- Failures only: what waits to be sent again. While an order has a row here, its later events wait behind it.
CREATE TABLE webhook_retries (
    endpoint_id   text NOT NULL REFERENCES webhook_endpoints,
    number        bigint NOT NULL,
    order_id      text NOT NULL,
    attempts      int NOT NULL DEFAULT 0,
    first_at      timestamptz NOT NULL,
    next_at       timestamptz NOT NULL,
    PRIMARY KEY (endpoint_id, number)
);
CREATE TABLE deliveries (
    attempted_at timestamptz NOT NULL,
    endpoint_id  text NOT NULL,
    number       bigint NOT NULL,
    event_id     text NOT NULL,
    attempt      int NOT NULL,
    status       int NOT NULL, -- HTTP status, 0 = no answer
    detail       text NOT NULL DEFAULT '',
    took_ms      int NOT NULL DEFAULT 0
) PARTITION BY RANGE (attempted_at);
CREATE INDEX deliveries_endpoint ON deliveries (endpoint_id, attempted_at DESC);
