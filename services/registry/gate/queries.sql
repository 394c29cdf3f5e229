-- name: enrolment
-- The council's credential, as it is now; and whether a device of that id has one of its own, which then alone speaks for it.
select u.secret_id, u.secret_sha256,
    exists (select from registry.broker_user d where d.kind = 'device' and d.username = $2 and d.revoked_at is null) as has_its_own
from registry.broker_user u
where u.kind = 'enrolment' and u.username = $1 and u.revoked_at is null;

-- name: put_enrolment
-- A new one takes the place of the one before at once.
insert into registry.broker_user (username, kind, subject, secret_id, secret_sha256, made_at, made_by)
select 'enrolment:' || council_id, 'enrolment', council_id, $2, $3, $4, $5 from registry.council where council_id = $1
on conflict (username) do update
set secret_id = excluded.secret_id, secret_sha256 = excluded.secret_sha256, made_at = excluded.made_at, made_by = excluded.made_by,
    revoked_at = null, version = broker_user.version + 1
returning true;

-- name: revoke_enrolment
update registry.broker_user set revoked_at = $2, version = version + 1
where username = 'enrolment:' || $1 and revoked_at is null returning true;
