-- name: session
-- Since when it is being tried, whether it still is, what its model promises, and when anything of it was last heard; and, if it was
-- told to report often and the broker took that, when; and whether it has a credential of its own.
select s.began_at, s.ended_at, s.asked_at, x.heartbeat_interval_s, x.signal_dbm_min, x.paths, x.triggers, l.last_heard_at,
    case when k.device_id is null then 'none' when k.at_broker then 'at_broker' else 'exchanged' end as credential,
    (select max(c.sent_at) from registry.command c
        where c.device_id = s.device_id and c.created_at >= s.asked_at and c.name = 'set_heartbeat_interval' and c.args ? 'for_s') as told_at
from registry.commissioning s
join registry.device_expectation x using (device_id)
left join ingest.device_liveness l using (device_id)
left join registry.credential_directory k using (device_id)
where s.device_id = $1;

-- name: beats
-- Since $2, by the device's clock within a day: those are found by index, whatever came in years. (One whose clock is further off is
-- told so by the checklist.) The last ones, and of what may lie days back, in a commissioning that takes long, what proves
-- something: on the battery, each network, the last signals.
with since as materialized (
    select boot_id, seq, received_at, mains, signal_dbm, network, at
    from ingest.device_heartbeat
    where device_id = $1 and at between $2::timestamptz - interval '1 day' and $3::timestamptz + interval '1 day' and received_at >= $2
)
select boot_id, seq, received_at, mains, signal_dbm, network from (
    (select * from since order by at desc limit 200)
    union (select * from since where mains is false order by at desc limit 20)
    union (select * from since where signal_dbm is not null order by at desc limit 10)
    union (select distinct on (network) * from since order by network, at desc)
) telling;

-- name: events
-- From an hour before $2 on: an alarm of before may lie between two heartbeats of now. `hub` is its name.
select e.kind, e.status, e.peripheral_id, e.received_at, e.boot_id, e.seq, e.repeats, e.repeated_at,
    coalesce(f.proof, e.test) as proof, f.event_id is not null as decided, f.told_at, coalesce(f.hub_channels, 0) as hubs,
    coalesce(f.refused, 0) as refused, h.name as hub, f.reached_at, coalesce(f.receipt, 'none') as receipt
from ingest.device_event e
left join alerts.event_fate f using (event_id)
left join registry.hub h using (hub_id)
where e.device_id = $1 and e.received_at >= $2::timestamptz - interval '1 hour'
order by e.received_at desc
limit 200;

-- name: ask_again
-- Somebody is still at it: its box reports often for another while.
-- Its device is locked first, as by whoever changes one, whom the trigger then takes to this row: a command's foreign key locks it too.
with device as (select device_id from registry.device where device_id = $1 for key share)
update registry.commissioning s set asked_at = greatest(s.asked_at, $2) from device
where s.device_id = device.device_id and s.ended_at is null returning s.device_id;

-- name: open_sessions
-- Those that are still to report often ($1: when they were asked for at the earliest), with when they were last told to, last heard, and
-- first heard since they last booted. Not those whose devices are being changed: commands for one lock it, and whoever changes it is
-- taken to its session by a trigger, so that the two would wait for each other.
select s.device_id, s.asked_at, x.heartbeat_interval_s,
    (select max(c.created_at) from registry.command c where c.device_id = s.device_id and c.created_at >= s.asked_at) as told_at,
    b.received_at as heard_at,
    (select min(h.received_at) from ingest.device_heartbeat h
        where h.device_id = s.device_id and h.boot_id = b.boot_id
            and h.at between s.began_at - interval '1 day' and $2::timestamptz + interval '1 day') as booted_at
from registry.commissioning s
join registry.device d using (device_id)
join registry.device_expectation x using (device_id)
left join lateral (
    select h.received_at, h.boot_id from ingest.device_heartbeat h
    where h.device_id = s.device_id and h.at between s.began_at - interval '1 day' and $2::timestamptz + interval '1 day'
    order by h.at desc limit 1
) b on true
where s.ended_at is null and s.asked_at > $1
for key share of d skip locked for update of s skip locked;

-- name: ended_sessions
-- Whose devices were not told yet to report as usual.
select s.device_id, s.asked_at, x.heartbeat_interval_s, d.stage
from registry.commissioning s
join registry.device d using (device_id)
join registry.device_expectation x using (device_id)
where s.ended_at is not null and s.restored_at is null
limit 100
for key share of d skip locked for update of s skip locked;

-- name: restored
update registry.commissioning set restored_at = $2 where device_id = $1 and ended_at is not null;

-- name: supersede
-- What is still to be sent under the same name says something that is not so any more.
update registry.command set state = 'expired', due_at = null where device_id = $1 and name = $2 and state = 'pending';

-- name: command
insert into registry.command (command_id, device_id, name, args, created_at, expires_at, due_at) values ($1, $2, $3, $4, $5, $6, $5);

-- name: expire_commands
update registry.command set state = 'expired', due_at = null where state = 'pending' and expires_at <= $1;

-- name: take_commands
-- What is due, put off while it is being sent ($2): killed in between, it is sent again under its own id. With the council of the topic
-- that the device really uses.
with due as (
    select command_id from registry.command where state = 'pending' and due_at <= $1 order by due_at limit 100 for update skip locked
), taken as (
    update registry.command c set due_at = $2, attempts = attempts + 1 from due where c.command_id = due.command_id returning c.*
)
select t.command_id::text as command_id, t.device_id, t.name, t.args, t.expires_at, t.attempts, coalesce(b.council_id, d.council_id) as council_id
from taken t
join registry.device d using (device_id)
left join lateral (
    select h.council_id from ingest.device_heartbeat h
    where h.device_id = t.device_id and h.at between $1::timestamptz - interval '1 day' and $1::timestamptz + interval '1 day'
    order by h.at desc limit 1
) b on true;

-- name: command_sent
update registry.command set state = 'sent', sent_at = $2, due_at = null where command_id = $1 and state = 'pending';

-- name: command_later
update registry.command set due_at = $2 where command_id = $1 and state = 'pending';

-- name: forget_commands
delete from registry.command where created_at < $1;

-- name: heard_unregistered
-- Heard since $1 and on no register, newest first, in the councils $2 (null: all). By heartbeats, or only by alarms. A registration
-- that ingest has not taken note of yet counts.
with heard as (
    select device_id, council_id, last_heard_at, array['heartbeat'] as kinds, signal_dbm, mains from ingest.unregistered_device
    where last_heard_at >= $1 and ($2::text[] is null or council_id = any ($2))
    union all
    select device_id, council_id, received_at, array[kind], null, null from alerts.unregistered_alarm
    where received_at >= $1 and ($2::text[] is null or council_id = any ($2)) and device_id ~ '^[A-Za-z0-9_-]{1,64}$'
), by_device as (
    select device_id, (array_agg(council_id order by last_heard_at desc))[1] as council_id, max(last_heard_at) as last_heard_at,
        max(signal_dbm) as signal_dbm, bool_or(mains) as mains, array_agg(distinct kind) as kinds
    from heard, unnest(kinds) as kind group by device_id
)
select b.* from by_device b
where not exists (select from registry.device d where d.device_id = b.device_id)
order by b.last_heard_at desc, b.device_id
limit $3;
