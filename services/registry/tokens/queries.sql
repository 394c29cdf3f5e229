-- name: insert_token
insert into registry.access_token (access_token_id, name, sha256, role, hub_id, councils, created_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: lock_name
-- Two who make a token of one name at the same time: one of them is refused.
select pg_advisory_xact_lock(hashtextextended('registry.access_token ' || $1::text, 0));

-- name: name_is_taken
select exists (
    select from registry.access_token
    where name = $1 and revoked_at is null and (expires_at is null or expires_at > $2));

-- name: tokens
-- Newest first; revoked and expired ones too: who had access is asked afterwards.
select access_token_id, name, role, hub_id, councils, created_at, expires_at, revoked_at
from registry.access_token order by created_at desc, access_token_id;

-- name: revoke_tokens
-- By id or by name; of several of one name, all that still stand.
update registry.access_token set revoked_at = $2
where revoked_at is null and (access_token_id::text = $1 or name = $1)
returning name;

-- name: unknown_councils
select wanted.council_id from unnest($1::text[]) as wanted(council_id)
where not exists (select from registry.council c where c.council_id = wanted.council_id);

-- name: hub_exists
select exists (select from registry.hub where hub_id = $1);
