-- +goose Up
-- People look a movement up by the bank's number of it, whatever account it is on.
CREATE INDEX statement_lines_reference ON statement_lines (reference) WHERE reference <> '';
