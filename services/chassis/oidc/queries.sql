-- name: open_session
-- Of a person that the provider told us of. An answer of the provider opens one session: a second time, its state is there already.
insert into chassis.session (session_id, sha256, operator, issuer, subject, account, role, hub_id, councils, state_sha256,
    refresh_token_encrypted, checked_at, check_at, created_at, seen_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $12, $12, $14)
on conflict (state_sha256) do nothing
returning session_id;

-- name: claim_due
-- Sessions whose person the provider is to be asked about again; $2 is when, should nobody get to an answer before.
update chassis.session set check_at = $2
where session_id in (
    select session_id from chassis.session
    where check_at <= $1 and ended_at is null and expires_at > $1 and seen_at > $3 and issuer = $4
    order by check_at limit $5 for update skip locked)
returning session_id, subject, account, role, hub_id, councils, refresh_token_encrypted;

-- name: keep_refresh_token
update chassis.session set refresh_token_encrypted = $2 where session_id = $1 and ended_at is null;

-- name: confirm
-- What the provider says now counts from now on.
update chassis.session set operator = $2, account = $3, role = $4, hub_id = $5, councils = $6, checked_at = $7, check_at = $8
where session_id = $1 and ended_at is null;

-- name: end
update chassis.session set ended_at = $2 where session_id = $1 and ended_at is null;
