-- +goose Up
-- Messages that belong to no payment, by account: operators page through them.
CREATE INDEX callbacks_stray ON callbacks (account_id, received_at DESC, digest DESC) WHERE payment_id = '';
