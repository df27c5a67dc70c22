-- +goose Up
-- The audit is sealed: its rows in blocks, each hashed over its rows and the block before. Who changes, removes or slips in a row, whatever their rights,
-- breaks the chain.
CREATE TABLE audit_blocks (
    n         bigint PRIMARY KEY,
    rows      int NOT NULL CHECK (rows > 0),
    first_id  bigint NOT NULL,
    last_id   bigint NOT NULL,
    sha256    text NOT NULL,
    previous  text,
    sealed_at timestamptz NOT NULL,
    CHECK ((previous IS NULL) = (n = 1))
);
CREATE TABLE audit_seals (
    audit_id bigint PRIMARY KEY,
    block    bigint NOT NULL REFERENCES audit_blocks
);
CREATE INDEX audit_seals_block ON audit_seals (block);
CREATE INDEX audit_id ON audit (id);
CREATE TRIGGER audit_blocks_append_only BEFORE UPDATE OR DELETE ON audit_blocks FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER audit_blocks_no_truncate BEFORE TRUNCATE ON audit_blocks FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER audit_seals_append_only BEFORE UPDATE OR DELETE ON audit_seals FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER audit_seals_no_truncate BEFORE TRUNCATE ON audit_seals FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
-- A row as it is hashed.
CREATE FUNCTION audit_line(a audit) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_array(a.id, to_char(a.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), a.actor_kind, a.actor, a.action, a.object, a.address, a.request_id, a.detail)::text
$$;
GRANT SELECT, INSERT ON audit_blocks, audit_seals TO feegate_service;
GRANT EXECUTE ON FUNCTION audit_line TO feegate_service;
