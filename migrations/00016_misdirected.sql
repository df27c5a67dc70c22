-- +goose Up
-- A settlement row may name the bank account that the money went into: into another than the agency's is a difference with a name.
ALTER TABLE settlement_staging ADD COLUMN misdirected boolean NOT NULL DEFAULT false;
ALTER TABLE settlement_lines ADD COLUMN misdirected boolean NOT NULL DEFAULT false;
