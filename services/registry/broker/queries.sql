-- name: only_one
-- Whoever tells the broker does it alone, whichever process they are in; for this transaction.
select pg_advisory_xact_lock(hashtextextended('telecare broker', 0));

-- name: only_one_or_none
select pg_try_advisory_xact_lock(hashtextextended('telecare broker', 0));

-- name: due
-- What the broker was not told yet, and claims that nobody may use any more. The longest known first. An expired one that the broker
-- refused to forget waits for the look at everything, or it would be due for ever.
select username from registry.broker_user
where applied_version <> version or (expires_at <= $1 and missing_since is null)
order by made_at limit $2;

-- name: users
-- As they shall be: `$2` these, null all. A device that is withdrawn is shut out, unless it was replaced and its successor is not live
-- yet; what is revoked or expired is not there.
select u.username, u.kind, u.subject, u.secret_id, u.version, u.password_sha512, u.salt, u.iterations,
    u.applied_secret_id is distinct from u.secret_id as renewed, u.applied_version <> u.version as due,
    u.missing_since is not null as known_missing,
    case
        when u.kind = 'device' then
            case when u.revoked_at is not null or (d.stage = 'withdrawn' and y.device_id is null) then 'disabled' else 'enabled' end
        when u.kind = 'claim' then
            case when u.revoked_at is not null or u.expires_at <= $1 or c.revoked_at is not null then 'absent' else 'enabled' end
        when u.revoked_at is not null then 'absent'
        else 'enabled'
    end as standing
from registry.broker_user u
left join registry.device d on u.kind = 'device' and d.device_id = u.subject
left join registry.on_duty y on y.device_id = d.device_id
left join registry.claim c on u.kind = 'claim' and c.claim_id = u.secret_id
where $2::text[] is null or u.username = any($2)
order by u.username;

-- name: told
-- `$3` what it knew when it was told; what changed since is due again. `$4`: it has the password, too.
update registry.broker_user
set applied_version = greatest(applied_version, $2), missing_since = null,
    applied_secret_id = case when $4 then $3 else applied_secret_id end
where username = $1;

-- name: missing
-- Told all but the password, which nobody has; or refused: the look at everything tries again, and meanwhile others have their turn.
update registry.broker_user
set applied_version = greatest(applied_version, $2), missing_since = coalesce(missing_since, $3)
where username = $1;

-- name: forget
-- Gone from the broker: nothing more is to be said of it.
delete from registry.broker_user where username = $1 and version = $2;

-- name: standings
-- For the gauge.
select case
        when missing_since is not null then 'missing'
        when applied_version <> version then 'due'
        when kind = 'device' and applied_secret_id is distinct from secret_id then 'awaited'
        else 'told'
    end as state, kind, count(*)::integer as count
from registry.broker_user group by 1, 2;

-- name: not_in_order
-- For people: those whom somebody has to see to, or who have not come for their password yet.
select username, case when missing_since is not null then 'missing' else 'awaited' end as state,
    coalesce(missing_since, made_at) as since
from registry.broker_user
where missing_since is not null or (kind = 'device' and applied_secret_id is distinct from secret_id)
order by since limit 200;
