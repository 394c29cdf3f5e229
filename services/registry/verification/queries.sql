-- name: lock_hub_channel
-- Whose channel it is, is part of the question: a hub verifies its own. Locked, so that no change of it crosses a code.
select verified_at from registry.hub_channel
where channel_id = $1 and hub_id = $2 and removed_at is null for update;

-- name: lock_responder
select verified_at from registry.responder
where responder_id = $1 and council_id = $2 and removed_at is null for update;

-- name: pending
select sha256, expires_at, attempts, sent_at from registry.verification where channel_id = $1;

-- name: put_code
-- One code at a time: the one before it is void.
insert into registry.verification (channel_id, sha256, expires_at, sent_at) values ($1, $2, $3, $4)
on conflict (channel_id) do update
set sha256 = excluded.sha256, expires_at = excluded.expires_at, sent_at = excluded.sent_at, attempts = 0;

-- name: count_attempt
update registry.verification set attempts = attempts + 1 where channel_id = $1;

-- name: verify_hub_channel
update registry.hub_channel set verified_at = $2 where channel_id = $1;

-- name: verify_responder
update registry.responder set verified_at = $2 where responder_id = $1;

-- name: forget_code
delete from registry.verification where channel_id = $1;
