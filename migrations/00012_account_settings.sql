-- +goose Up
-- What else a provider's wire needs to know of an account and is no secret, by name: a mapping of a wire that nobody publishes,
-- the treasury's number. The adapter checks it when it is made.
ALTER TABLE merchant_accounts ADD COLUMN settings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object');
