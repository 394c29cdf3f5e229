-- Leases of MQTT sessions. Their time is the database's clock alone (clock_timestamp, not the transaction's now).

-- name: shards_of_service
-- What there is to work.
select shard, lane, client_id from chassis.shard where service = $1 order by shard;

-- name: acquire_lease
-- One row if it is ours now. Concurrent contenders meet on the row lock, and the second then sees the first's renewal.
-- Our own lease of a moment ago is ours again at once. One that was renewed in what is now the future says nothing: the clock
-- was put back (a standby took over whose clock was behind), and whoever is alive renews it within a second.
update chassis.shard
set holder = $2, generation = generation + 1, renewed_at = clock_timestamp()
where shard = $1
    and (holder is null or holder = $2
        or renewed_at not between clock_timestamp() - make_interval(secs => $3) and clock_timestamp() + make_interval(secs => $3))
returning generation, session_at, filters, subscribed, clock_timestamp() as at;

-- name: renew_lease
-- Only while its session is up. A lapsed lease that nobody else took is still ours: the generation says so. `$4`: when we asked, all
-- that the broker had for the shard was stored, so it is heard up to then ($7, not now: a database that stood still, or a lock, may
-- have kept this waiting, and of what came meanwhile we know nothing). Whatever kept it from that for longer than $5 (broker, session,
-- database, process away; a backlog), the lapse is written down by the very statement that ends it: nobody who crashes can forget it. A
-- shard that never heard has not since it was set up.
with ours as (
    select shard, coalesce(heard_until, created_at) as deaf_since, least($7::timestamptz, clock_timestamp()) as asked_at
    from chassis.shard where shard = $1 and holder = $2 and generation = $3 for update
), lapse as (
    insert into chassis.hearing_lapse (shard, started_at, ended_at, reason)
    select shard, deaf_since, asked_at, $6 from ours
    where $4 and deaf_since < asked_at - make_interval(secs => $5)
)
update chassis.shard s
set renewed_at = clock_timestamp(), session_at = clock_timestamp(), heard_until = case when $4 then ours.asked_at else s.heard_until end
from ours where s.shard = ours.shard
returning s.session_at, s.filters, clock_timestamp() as at;

-- name: subscribed
-- $4 is what the session is subscribed to by now. Of what it newly is nothing was heard until this moment, and for how long not nobody
-- knows: for longer than anybody is waited for (two months, as ingest looks back), so that no verdict runs through it. A shard that
-- never heard writes that down by itself.
with ours as (
    select shard, heard_until,
        array(select unnest($4::text[]) except select unnest(coalesce(subscribed, array[]::text[])) order by 1) as newly
    from chassis.shard where shard = $1 and holder = $2 and generation = $3 for update
), lapse as (
    insert into chassis.hearing_lapse (shard, started_at, ended_at, reason, filters)
    select shard, clock_timestamp() - interval '62 days', clock_timestamp(), 'subscribed_anew', newly from ours
    where heard_until is not null and cardinality(newly) > 0
)
update chassis.shard s set subscribed = $4 from ours where s.shard = ours.shard returning true;

-- name: holds_lease
-- Asks without renewing, before anything is done with a new connection.
select exists (
    select from chassis.shard
    where shard = $1 and holder = $2 and generation = $3 and renewed_at >= clock_timestamp() - make_interval(secs => $4)
);

-- name: release_lease
-- So that a successor need not wait for the lease to lapse.
update chassis.shard set holder = null, renewed_at = null where shard = $1 and holder = $2 and generation = $3;

-- name: open_gap
-- At most one is open per shard; whoever opened it first saw more of it.
insert into chassis.session_gap (shard, started_at, certain, reason) values ($1, $2, false, $3)
on conflict (shard) where ended_at is null do nothing;

-- name: close_gap
-- The session is up again. Without a session at the broker, what it had queued is certainly gone.
update chassis.session_gap set ended_at = greatest(started_at, $2), certain = certain or $3
where shard = $1 and ended_at is null
returning true;

-- name: add_gap
-- One that was over before it could be written, or that nobody saw begin.
insert into chassis.session_gap (shard, started_at, ended_at, certain, reason) values ($1, $2, greatest($2::timestamptz, $3), $4, $5);
