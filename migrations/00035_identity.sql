-- +goose Up
-- People: a second factor, sign-in by the province's own provider of identities, and rights that nobody gives to themselves.
ALTER TABLE users
    ADD COLUMN roles_set_by text NOT NULL DEFAULT '' CONSTRAINT users_own_rights CHECK (roles_set_by <> id),
    ADD COLUMN must_change boolean NOT NULL DEFAULT false, -- the password is known to who gave it
    ADD COLUMN otp_sealed bytea,                           -- under the master key
    ADD COLUMN otp_confirmed_at timestamptz,
    ADD COLUMN otp_step bigint NOT NULL DEFAULT 0,         -- of the last code that was taken: each opens one session
    ADD COLUMN issuer text, ADD COLUMN subject text,       -- who they are at the provider of identities
    ADD CONSTRAINT users_subject UNIQUE (issuer, subject), ADD CONSTRAINT users_outside CHECK ((issuer IS NULL) = (subject IS NULL)),
    ADD CONSTRAINT users_otp CHECK (otp_confirmed_at IS NULL OR otp_sealed IS NOT NULL);
CREATE TABLE recovery_codes (
    user_id    text NOT NULL REFERENCES users,
    hash       bytea NOT NULL,
    created_at timestamptz NOT NULL,
    used_at    timestamptz,
    PRIMARY KEY (user_id, hash)
);
CREATE TABLE otp_roles ( -- roles that work with a second factor alone
    role        text PRIMARY KEY CHECK (role IN ('finance', 'approver', 'reporter', 'operator', 'admin', 'auditor', 'portal_admin')),
    set_by      text NOT NULL,
    recorded_at timestamptz NOT NULL
);
ALTER TABLE api_keys ADD COLUMN replaces text UNIQUE REFERENCES api_keys; -- a key is followed by one other
GRANT SELECT, INSERT, DELETE ON recovery_codes, otp_roles TO feegate_service;
GRANT UPDATE (used_at) ON recovery_codes TO feegate_service;

-- Somebody must be able to let people in. Two admins who end each other at the same moment are heard one after the other.
-- +goose StatementBegin
CREATE FUNCTION an_admin_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('feegate.admins'));
    IF NOT EXISTS (SELECT FROM users WHERE id <> OLD.id AND 'admin' = ANY (roles) AND cardinality(agencies) = 0 AND disabled_at IS NULL) THEN
        RAISE EXCEPTION 'the last admin stays' USING ERRCODE = 'check_violation', CONSTRAINT = 'users_last_admin';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER users_last_admin BEFORE UPDATE OF roles, agencies, disabled_at ON users FOR EACH ROW
    WHEN ('admin' = ANY (OLD.roles) AND cardinality(OLD.agencies) = 0 AND OLD.disabled_at IS NULL
        AND NOT ('admin' = ANY (NEW.roles) AND cardinality(NEW.agencies) = 0 AND NEW.disabled_at IS NULL))
    EXECUTE FUNCTION an_admin_stays();
GRANT EXECUTE ON FUNCTION an_admin_stays TO feegate_service;
