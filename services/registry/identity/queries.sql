-- name: device_to_claim
-- One change of a device at a time: a claim is issued, or exchanged, or its device withdrawn.
select device_id, council_id, serial, stage from registry.device where device_id = $1 for update;

-- name: revoke_claims
-- The one before counts no more, used or not. A credential that came of it does, until the new claim is exchanged.
update registry.claim set revoked_at = $2 where device_id = $1 and revoked_at is null;

-- name: insert_claim
insert into registry.claim (claim_id, device_id, serial, code_sha256, created_at, created_by, expires_at)
values ($1, $2, $3, $4, $5, $6, $7);

-- name: put_claim_user
-- Whoever has the claim may come to the broker, to ask.
insert into registry.broker_user (username, kind, subject, secret_id, expires_at, made_at, made_by)
values ('claim:' || $1, 'claim', $1, $2, $3, $4, $5)
on conflict (username) do update
set secret_id = excluded.secret_id, expires_at = excluded.expires_at, made_at = excluded.made_at, made_by = excluded.made_by,
    revoked_at = null, version = broker_user.version + 1;

-- name: device_of_claim
-- Without a lock: the device's is taken first, always.
select device_id from registry.claim where code_sha256 = $1;

-- name: claim
select c.claim_id, c.device_id, d.council_id, c.serial, d.stage, c.expires_at, c.revoked_at, c.nonce_sha256, c.refused_at
from registry.claim c join registry.device d using (device_id)
where c.code_sha256 = $1 for update of c;

-- name: use_claim
update registry.claim set nonce_sha256 = $2, exchanged_at = $3 where claim_id = $1 and nonce_sha256 is null;

-- name: refuse_claim
-- True the first time, which is a line of history; what comes after it cannot fill that.
update registry.claim set refused_at = $2 where claim_id = $1 and refused_at is null returning true;

-- name: put_device_user
-- In the transaction that uses the claim. The broker knows the password before until it is given this one.
insert into registry.broker_user
    (username, kind, subject, secret_id, password_sha512, salt, iterations, made_at, made_by)
values ($1, 'device', $1, $2, $3, $4, $5, $6, $7)
on conflict (username) do update
set secret_id = excluded.secret_id, password_sha512 = excluded.password_sha512, salt = excluded.salt,
    iterations = excluded.iterations, made_at = excluded.made_at, made_by = excluded.made_by, revoked_at = null,
    version = broker_user.version + 1;

-- name: device_claimed
-- It has shown that it is the unit with this serial; later stages stay as they are.
update registry.device set stage = 'claimed', changed_at = $2
where device_id = $1 and stage in ('ordered', 'registered') returning true;

-- name: at_broker
-- Whether the broker was given this password, and has not lost it since.
select coalesce(applied_secret_id = secret_id and missing_since is null, false) from registry.broker_user where username = $1;

-- name: put_hub_user
-- A new one takes the place of the one before at once. Null where there is no such hub.
insert into registry.broker_user (username, kind, subject, secret_id, made_at, made_by)
select 'hub:' || hub_id, 'hub', hub_id, $2, $3, $4 from registry.hub where hub_id = $1
on conflict (username) do update
set secret_id = excluded.secret_id, made_at = excluded.made_at, made_by = excluded.made_by, revoked_at = null,
    version = broker_user.version + 1
returning true;

-- name: revoke_hub_user
update registry.broker_user set revoked_at = $2, version = version + 1
where username = 'hub:' || $1 and revoked_at is null returning true;

-- name: record_change
insert into registry.device_change (device_id, at, actor, change, reason, before, after) values ($1, $2, $3, $4, $5, $6, $7);

-- name: forget_claims
-- What nobody can use any more, and no history needs: that has its own lines.
delete from registry.claim where expires_at < $1 and exchanged_at is null or expires_at < $2;
