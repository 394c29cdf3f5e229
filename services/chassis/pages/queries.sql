-- name: open_session
-- With a token: it ends when that does, should that be earlier.
insert into chassis.session (session_id, sha256, token_sha256, operator, created_at, seen_at, expires_at)
values ($1, $2, $3, $4, $5, $5, least($6, (select expires_at from registry.access_directory where sha256 = $3)))
returning expires_at;

-- name: find_session
-- Of a cookie; none when it has expired, was idle since $3, or was signed out.
select session_id, token_sha256, operator, account, role, hub_id, councils, seen_at, expires_at from chassis.session
where sha256 = $1 and expires_at > $2 and seen_at > $3 and ended_at is null;

-- name: saw_session
-- Once a minute and not at each request.
update chassis.session set seen_at = greatest(seen_at, $2) where session_id = $1;

-- name: end_session
update chassis.session set ended_at = $2 where sha256 = $1 and ended_at is null;

-- name: forget_sessions
-- Who was signed in is asked for a while.
delete from chassis.session where expires_at < $1;
