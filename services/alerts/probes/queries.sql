-- name: unwatched
-- Verified channels of hubs whose health nobody keeps yet. (Whether the canary is there, it says itself.)
select c.channel_id, c.hub_id, c.kind from registry.channel_directory c
where c.verified_at is not null and not c.of_canary and not exists (select from alerts.channel_health h where h.channel_id = c.channel_id);

-- name: watch
-- Another process may have been first.
insert into alerts.channel_health (channel_id, hub_id, kind, look_at)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[])
on conflict (channel_id) do nothing;

-- name: forget
-- Channels that are gone, or are no longer verified: nobody is told anything there, so they can't fail either.
delete from alerts.channel_health h
where not exists (
    select from registry.channel_directory c where c.channel_id = h.channel_id and c.verified_at is not null)
returning h.*;

-- name: due
-- Channels of these kinds ($2) that are to be looked at, at most $3: ours until the transaction ends, which moves `look_at` on.
-- Another process passes over them.
select * from alerts.channel_health
where look_at <= $1 and kind = any ($2::text[])
order by look_at
limit $3
for update skip locked;

-- name: locked
-- For the outcome of a probe that was awaited outside a transaction; none when the channel is gone by now.
select * from alerts.channel_health where channel_id = $1 for update;

-- name: save
-- What a look changes. The caller holds the row's lock.
update alerts.channel_health
set look_at = $2, probed_at = $3, probe_id = $4, failures = $5, failing_since = $6, last_error = $7, last_alive_at = $8, alarm_at = $9
where channel_id = $1;

-- name: alive_at
-- When something last arrived on the channel, an alarm or a probe, since $2; none: null.
select finished_at from alerts.delivery
where channel = $1 and state = 'delivered' and kind <> 'receipt' and finished_at >= $2
order by finished_at desc
limit 1;

-- name: probe
-- What has become of a probe's delivery. `tried`: in its time, and not only found to be too late.
select state, expires_at, last_error, attempts > 1 or coalesce(finished_at < expires_at, false) as tried
from alerts.delivery where notification_id = $1;

-- name: send
-- A probe, or the code that verifies a channel: a notification of no alarm, with its one delivery.
with notified as (
    insert into alerts.notification (notification_id, type, timestamp, body) values ($1, 'hub.probe', $2, $3)
    returning notification_id
)
insert into alerts.delivery (notification_id, kind, channel, hub_id, responder_id, priority, due_at, expires_at, created_at)
select notification_id, $4, $5, $6, $7, $8, $2, $9, $2 from notified;

-- name: council_of_hub
-- The council that is told of a hub's dead channel: the first of those that rely on it most.
select council_id from registry.route_directory where hub_id = $1 order by position, council_id limit 1;

-- name: channel
-- Of a hub ($1), verified or not: what a code is sent over.
select kind, hub_id from registry.channel_directory where channel_id = $1;

-- name: responder
-- Likewise a responder.
select kind from registry.responder_directory where responder_id = $1;

-- name: hub_exists
select exists (select from registry.hub_directory where hub_id = $1);

-- name: health_of_hub
-- All verified channels of a hub; of one that nobody has looked at yet all but its name is null. Long before three probes have failed,
-- and while what is more urgent leaves them no turn, what waits there says why: `waiting_error`, of most of `undelivered` (at most $2).
-- So do the open alarms of which the channel refused all there was for good: nothing of them waits, and nobody there has them.
select c.channel_id, c.kind, h.probed_at, h.failures, h.failing_since, h.last_error, h.last_alive_at, h.alarm_at, w.undelivered, w.waiting_error
from registry.channel_directory c left join alerts.channel_health h using (channel_id)
cross join lateral (
    select count(*) as undelivered, mode() within group (order by tried.last_error) as waiting_error
    from (
        (select d.last_error from alerts.delivery d
        where d.state = 'pending' and d.way = c.channel_id::text and d.last_error is not null limit $2)
        union all
        (select max(d.last_error) from alerts.alarm a join alerts.delivery d using (alarm_id)
        where a.state = 'open' and d.hub_id = c.hub_id and d.channel = c.channel_id
        group by a.alarm_id having bool_and(d.state = 'failed') limit $2)) tried) w
where c.hub_id = $1 and c.verified_at is not null
order by c.position;

-- name: failing_by_hub
-- Every hub with a verified channel, with how many of them people were told are dead, and since when the alarm of life or welfare
-- that waits longest has been on its way there, tried and not taken; or, open still, was refused there for good each time.
select c.hub_id, count(h.alarm_at) as failing, min(w.since) as waiting_since
from registry.channel_directory c
left join alerts.channel_health h using (channel_id)
left join (
    select hub_id, min(since) as since from (
        select hub_id, created_at as since from alerts.delivery
        where state = 'pending' and alarm_id is not null and priority <= 2 and attempts > 0 and hub_id is not null
        union all
        select d.hub_id, min(d.created_at) from alerts.alarm a join alerts.delivery d using (alarm_id)
        where a.state = 'open' and a.priority <= 2 and d.hub_id is not null
        group by a.alarm_id, d.hub_id having bool_and(d.state = 'failed')
    ) as tried
    group by hub_id
) as w on w.hub_id = c.hub_id
where c.verified_at is not null
group by c.hub_id;

-- name: ways_of_responders
-- By which responders are written to.
select distinct kind from registry.responder_directory where verified_at is not null;

-- name: forget_probes
-- Those that were finished before then; how many.
select alerts.forget_probes($1);
