-- name: councils_are_there
-- Proves in one look that the database answers, is migrated, and lets this role in.
select exists (select from registry.council);

-- name: forget_secrets
-- A secret that was replaced, often because it got out, is kept for no longer than it signs.
update registry.hub_channel set previous_secret_encrypted = null, previous_secret_until = null
where previous_secret_until <= $1;

-- name: forget_codes
-- Only once no sending of one counts any more towards how often they may be sent.
delete from registry.verification where expires_at <= $1::timestamptz - $2::interval;
