-- +goose Up
CREATE TABLE source_systems (
    name text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9._-]{1,40}$'),
    mode run_mode NOT NULL DEFAULT 'live'
);
CREATE TABLE clients (
    id            text PRIMARY KEY,
    name          text NOT NULL,
    source_system text NOT NULL REFERENCES source_systems,
    created_at    timestamptz NOT NULL
);
CREATE TABLE api_keys (
    id           text PRIMARY KEY,
    client_id    text NOT NULL REFERENCES clients,
    name         text NOT NULL DEFAULT '',
    secret_hash  bytea NOT NULL UNIQUE,
    scopes       text[] NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);
CREATE TABLE users (
    id            text PRIMARY KEY,
    name          text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    roles         text[] NOT NULL CHECK (roles <@ ARRAY['finance','approver','reporter','operator','admin','auditor','portal_admin']),
    agencies      text[] NOT NULL DEFAULT '{}', -- empty: all
    client_id     text REFERENCES clients,      -- portal_admin only
    created_at    timestamptz NOT NULL,
    disabled_at   timestamptz
);
CREATE TABLE sessions (
    token_hash   bytea PRIMARY KEY,
    user_id      text NOT NULL REFERENCES users,
    csrf         text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE TABLE login_failures (
    bucket    text NOT NULL, -- user name and address digest
    failed_at timestamptz NOT NULL
);
CREATE INDEX login_failures_bucket ON login_failures (bucket, failed_at);

CREATE TABLE audit (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    recorded_at timestamptz NOT NULL,
    actor_kind  text NOT NULL CHECK (actor_kind IN ('user', 'client', 'system')),
    actor       text NOT NULL,
    action      text NOT NULL,
    object      text NOT NULL DEFAULT '',
    address     text NOT NULL DEFAULT '',
    request_id  text NOT NULL DEFAULT '',
    detail      jsonb NOT NULL DEFAULT '{}'
) PARTITION BY RANGE (recorded_at);
CREATE INDEX audit_object ON audit (object, recorded_at);
