-- name: facts
-- All that judging an event takes, in one round trip: whether it was handled before (a producer told it twice), what the
-- registry publishes of its device (none: not registered), for a test ($5) how many others people were told of since $6 (all)
-- and $7 (this device; of the canary's, none count), and the one alarm that it joins ($2 kind, $3 peripheral; unique index alarm_open),
-- locked against whoever acts on it meanwhile. A test joins none. Of a battery that is low ($8): how often it was so since $9, and was
-- over by itself.
with joined as materialized (
    select * from alerts.alarm
    where device_id = $1 and kind = $2 and coalesce(peripheral_id, '') = coalesce($3, '') and state <> 'closed' and not $5
    for update
)
select exists (select from alerts.alarm_event where event_id = $4) as handled, d.device_id is not null as registered,
    d.council_id as device_council_id, d.installation_ref as device_installation_ref, d.sole_trigger,
    d.installation_ref is null or not exists (
        select from registry.device_directory o
        where o.installation_ref = d.installation_ref and o.device_id <> d.device_id and o.stage <> 'withdrawn') as is_sole_device,
    case when $5 and d.council_id is distinct from 'canary' then (
        select count(*) from alerts.alarm t where t.test and t.told_at > $6) else 0 end as tests_of_all,
    case when $5 and d.council_id is distinct from 'canary' then (
        select count(*) from alerts.alarm t
        where t.device_id = $1 and t.told_at > $7 and t.test) else 0 end as tests_of_device,
    case when $8 then (
        select count(*) from alerts.alarm t
        where t.device_id = $1 and t.received_at > $9 and t.kind = $2 and coalesce(t.peripheral_id, '') = coalesce($3, '')
            and t.status = 'battery_low' and t.closed_by = 'system') else 0 end as wavered,
    joined.*
from (values (1)) as one (row)
left join registry.device_directory d on d.device_id = $1
left join joined on true;

-- name: circumstances
-- In which an alarm of council $1 and device $2 is decided about, and whom it can be told to, as routing and channels are now: all
-- in one round trip. Its policy: the version that it began with ($4), or the council's newest, or the default; the body only if it
-- is none of those known already ($5). Until when it is silenced, by priority 3, 4, 5; and which kinds an outage of the device holds back. Every verified channel there is, with its
-- hub's place in the council's ladder, and whether the hub was told of the alarm ($3); likewise the council's responders.
with chosen as (
    select coalesce(
        $4::bigint, (select policy_id from registry.policy_directory where council_id = $1 order by version desc limit 1), 0
    ) as policy_id
)
select chosen.policy_id,
    (select p.body::text from registry.policy_directory p
        where p.policy_id = chosen.policy_id and p.policy_id <> all ($5::bigint[])) as policy,
    array(
        select (select max(s.ends_at) from alerts.silence s
            where s.council_id = $1 and s.ends_at > $6 and s.starts_at <= $6 and priority = any (s.priorities)
                and (s.device_id is null or s.device_id = $2)
                and (s.postcode_district is null or s.postcode_district = (
                    select d.postcode_district from registry.device_directory d where d.device_id = $2)))
        from generate_series(3, 5) as priority order by priority) as silenced_until,
    array(select h.kind from alerts.held_back h where h.device_id = $2) as held_back,
    (select t.hub_id from registry.technical_hub_directory t where t.council_id = $1) as technical_hub,
    (select coalesce(jsonb_agg(jsonb_build_array(c.hub_id, c.channel_id, c.kind, r.position, exists (
            select from alerts.delivery d where d.alarm_id = $3 and d.hub_id = c.hub_id)) order by c.hub_id, c.position), '[]')
        from registry.channel_directory c
        left join registry.route_directory r on r.council_id = $1 and r.hub_id = c.hub_id
        where c.verified_at is not null and (not c.of_canary or r.hub_id is not null)) as channels,
    (select coalesce(jsonb_agg(jsonb_build_array(p.responder_id, p.kind, p.rota, exists (
            select from alerts.delivery d where d.alarm_id = $3 and d.responder_id = p.responder_id)) order by p.position), '[]')
        from registry.responder_directory p where p.council_id = $1 and p.verified_at is not null) as responders,
    (select e.body::text from alerts.alarm_event e where e.alarm_id = $3 order by e.transition_id desc limit 1) as latest_event
from chosen;

-- name: alarm_locked
-- Whoever changes an alarm, or one of its deliveries together with it, takes this lock first: so no two can deadlock.
select * from alerts.alarm where alarm_id = $1 for update;

-- name: undecided
-- Events of which nothing has followed yet, those first that come first. There are some in a storm, and after a crash of the database that
-- took back what had followed from them.
select body ->> 'event_id' as event_id from chassis.event_log
where stream = 'alarms' and body ? 'event_id'
order by urgency, event_log_id limit 1000;

-- name: due_alarm
-- The most urgent alarm that is to be looked at again; those that somebody acts on right now come at the next look. Priority by
-- priority, each by index: sorted all together, 100,000 that are due took half a second for each.
select a.*
from generate_series(1, 5) as p (priority)
cross join lateral (
    select * from alerts.alarm
    where priority = p.priority and wake_at <= $1 and state <> 'closed' and alarm_id <> all ($2::uuid[])
    order by wake_at
    limit 1
    for update skip locked
) a
limit 1;

-- name: any_due
-- Whether `due_alarm` may find one.
select exists (
    select from generate_series(1, 5) as p (priority)
    cross join lateral (
        select from alerts.alarm where priority = p.priority and wake_at <= $1 and state <> 'closed' limit 1) a) as any_due;

-- name: wake_from_the_future
-- The clock was put back, by failover to a host with another time: whoever was to be looked at, or told, by the old one is now.
-- Reads all that are open, or unsent, and so is asked once. No hub is tried again later than in two minutes. How many alarms.
with sooner as (
    update alerts.delivery set due_at = $1
    where delivery_id in (
        select delivery_id from alerts.delivery
        where state = 'pending' and kind <> 'receipt' and due_at > $1::timestamptz + interval '2 minutes'
        for update skip locked)
), woken as (
    update alerts.alarm set wake_at = $1
    where alarm_id in (
        select alarm_id from alerts.alarm
        where state <> 'closed' and changed_at > $1::timestamptz + interval '1 second' and wake_at > $1
        for update skip locked)
    returning 1
)
select count(*) from woken;

-- name: update_alarm
-- What can change of one, from its JSON. The caller holds its lock.
update alerts.alarm a
set status = n.status, location = n.location, priority = n.priority, state = n.state, step = n.step, event_count = n.event_count,
    opened_at = n.opened_at, changed_at = n.changed_at, last_event_at = n.last_event_at, ladder_at = n.ladder_at,
    told_at = n.told_at, wake_at = n.wake_at, reached_at = n.reached_at, silenced_until = n.silenced_until,
    repair_due_at = n.repair_due_at, rises_at = n.rises_at, notified_at = n.notified_at, acknowledged_at = n.acknowledged_at,
    acknowledged_by = n.acknowledged_by, acknowledged_hub = n.acknowledged_hub, closed_at = n.closed_at,
    closed_by = n.closed_by, outcome = n.outcome, note = n.note
from jsonb_populate_record(null::alerts.alarm, $1::text::jsonb) n
where a.alarm_id = n.alarm_id;

-- name: hasten_unsent
-- A time-out, while earlier news of the alarm waits to be sent to a channel: send that now. Returns those channels.
update alerts.delivery d set due_at = least(d.due_at, $2)
from alerts.transition t
where d.alarm_id = $1 and d.state = 'pending' and d.kind <> 'receipt'
    and t.transition_id = d.transition_id and t.event in ('raised', 'repeated', 'escalated')
returning d.channel::text as channel;

-- name: write_transition
-- The alarm if it is new ($2; $1, as JSON), what happened, the event that caused it, the notification that tells of it and to whom:
-- one statement, for they are one thing. A new alarm whose id exists already is a bug, and refused. Whoever follows
-- transitions is told at commit. Returns what is now due to be sent.
with born as (
    insert into alerts.alarm select n.* from jsonb_populate_record(null::alerts.alarm, $1::text::jsonb) n where $2
), happened as (
    insert into alerts.transition (alarm_id, at, event, reason, state, step, priority, actor, hub_id, detail)
    values ($3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning transition_id
), caused as (
    insert into alerts.alarm_event (event_id, alarm_id, transition_id, body)
    select $13::uuid, $3, transition_id, $14::text::jsonb from happened where $13::uuid is not null
), notified as (
    insert into alerts.notification (notification_id, transition_id, alarm_id, type, timestamp, body)
    select $15, transition_id, $3, $16, $17, $18 from happened
), told as (
    insert into alerts.delivery (transition_id, alarm_id, notification_id, kind, channel, hub_id, responder_id, priority, due_at,
        created_at)
    select transition_id, $3, $15, kind, channel, hub_id, responder_id, $9, $4, $4
    from happened, unnest($19::text[], $20::uuid[], $21::text[], $22::uuid[]) as parcel (kind, channel, hub_id, responder_id)
    returning delivery_id, way
)
select transition_id, array(select (delivery_id, way) from told) as due, chassis.hint('alarm_transition', '') from happened;

-- name: events_of_alarm
-- To be told what became of the alarm: the newest, for a box with a stuck button has thousands, and one answer tells it.
select event_id::text as event_id, body::text as body from alerts.alarm_event where alarm_id = $1 order by transition_id desc limit 20;

-- name: events_unreceipted
-- Those that a hub knows of by the delivery of transition $2, and that we have told their device nothing about.
select e.event_id::text as event_id, e.body::text as body from alerts.alarm_event e
where e.alarm_id = $1 and e.transition_id <= $2 and not exists (
    select from alerts.delivery r where r.alarm_id = $1 and r.kind = 'receipt' and r.channel = e.event_id)
order by e.transition_id;

-- name: write_receipts
-- Due at once; a receipt of the same transition for the same event is there already when a delivery is recorded twice.
insert into alerts.delivery (transition_id, alarm_id, kind, channel, topic, body, priority, due_at, created_at)
select $1, $2, 'receipt', channel, topic, body, $3, $4, $4
from unnest($5::uuid[], $6::text[], $7::text[]) as receipt (channel, topic, body)
on conflict (transition_id, channel) do nothing
returning delivery_id;

-- name: lease
-- The most urgent due deliveries, hubs before responders (whose one provider may hang with thousands), at most $2, and to no
-- channel more than fit beside those in flight to it ($3, $4, up to $5); all receipts count as one channel, ''. Channel by channel
-- and priority by priority, each by index, so that what waits for a hub that is dead costs the others nothing (ranked all together, 100,000 took half a second, each time). The lease is measured
-- by the database's clock and outlasts the send's time-out; one from the future is none, that clock was put back. Losing it in
-- a crash only means sending again under the same id, so its commit need not wait for the disk.
with recursive quiet as materialized (select set_config('synchronous_commit', 'off', true)),
ways as (
    (select way from alerts.delivery where state = 'pending' order by way limit 1)
    union all
    select (select d.way from alerts.delivery d where d.state = 'pending' and d.way > w.way order by d.way limit 1)
    from ways w where w.way is not null
), due as (
    select delivery_id
    from alerts.delivery
    where state = 'pending' and (leased_until between clock_timestamp() and clock_timestamp() + interval '14 seconds') is not true
        and delivery_id = any (array(
            select fits.delivery_id
            from ways w
            left join unnest($3::text[], $4::int[]) as busy (way, sends) using (way)
            cross join lateral (
                select first.delivery_id
                from generate_series(1, 5) as p (priority)
                cross join lateral (
                    select f.delivery_id, f.priority, f.due_at from alerts.delivery f
                    where f.state = 'pending' and f.way = w.way and f.priority = p.priority and f.due_at <= $1
                        and (f.leased_until between clock_timestamp() and clock_timestamp() + interval '14 seconds') is not true
                    order by f.due_at
                    limit $5
                ) first
                order by first.priority, first.due_at
                limit greatest($5 - coalesce(busy.sends, 0), 0)
            ) fits))
    order by priority, kind in ('email', 'sms'), due_at
    limit $2
    for update skip locked
), leased as (
    update alerts.delivery d
    set lease_token = gen_random_uuid(), leased_until = clock_timestamp() + interval '14 seconds', attempts = attempts + 1
    from due, quiet where d.delivery_id = due.delivery_id
    returning d.*
)
select p.delivery_id, p.alarm_id, p.kind, p.channel, p.hub_id, p.responder_id, p.topic, p.priority, l.attempts, l.lease_token, p.body,
    p.notification_id, p.type, p.url, p.secret_encrypted,
    case when p.previous_secret_until > $1 then p.previous_secret_encrypted end as previous_secret_encrypted,
    p.address_encrypted, p.reference, p.expires_at, p.usable, p.received_at
from leased l join alerts.parcel p using (delivery_id)
order by p.priority, p.due_at;

-- name: lease_new
-- As `lease`, of deliveries that were only just written ($2): those are known, and need not be looked for.
with quiet as materialized (select set_config('synchronous_commit', 'off', true)),
leased as (
    update alerts.delivery d
    set lease_token = gen_random_uuid(), leased_until = clock_timestamp() + interval '14 seconds', attempts = attempts + 1
    from quiet
    where d.delivery_id = any ($2::bigint[]) and d.state = 'pending' and d.due_at <= $1 and d.leased_until is null
    returning d.*
)
select p.delivery_id, p.alarm_id, p.kind, p.channel, p.hub_id, p.responder_id, p.topic, p.priority, l.attempts, l.lease_token, p.body,
    p.notification_id, p.type, p.url, p.secret_encrypted,
    case when p.previous_secret_until > $1 then p.previous_secret_encrypted end as previous_secret_encrypted,
    p.address_encrypted, p.reference, p.expires_at, p.usable, p.received_at
from leased l join alerts.parcel p using (delivery_id)
order by p.priority, p.due_at;

-- name: finish
-- Delivered, or refused for good; only under the lease that it was sent under. And when that happened which it tells of. Given up ($6),
-- it keeps the fault that it was last tried with.
with finished as (
    update alerts.delivery
    set state = $3, finished_at = $4, last_error = case when $6 then last_error else $5 end, lease_token = null, leased_until = null
    where delivery_id = $1 and lease_token = $2 and state = 'pending'
    returning transition_id
)
select f.transition_id, t.at as told_at from finished f left join alerts.transition t using (transition_id);

-- name: try_again
-- It failed in a way that can pass, or waits for the other end's word ($5: what a provider calls it); only under the lease that it
-- was sent under.
update alerts.delivery
set due_at = $3, last_error = $4, provider_reference = $5, lease_token = null, leased_until = null
where delivery_id = $1 and lease_token = $2 and state = 'pending'
returning delivery_id;

-- name: refused_everywhere
-- Of the transition's deliveries to hubs none has arrived, and none of the alarm is still on its way. E-mail and text are no hub.
select not exists (
    select from alerts.delivery
    where alarm_id = $1 and kind in ('webhook', 'mqtt') and (state = 'pending' or (state = 'delivered' and transition_id = $2)));

-- name: notification_told
-- Of one notification: its alarm (none: a probe), and whether this hub was told of it.
select n.alarm_id::text as alarm_id, exists (
    select from alerts.delivery d where d.notification_id = n.notification_id and d.hub_id = $2) as told
from alerts.notification n where n.notification_id = $1;

-- name: newest_told
-- What a hub has when it says `received` of an alarm: the newest it was sent by MQTT and has not confirmed, or else the newest.
select notification_id from alerts.delivery where alarm_id = $1 and hub_id = $2
order by (kind = 'mqtt' and state = 'pending') desc, delivery_id desc limit 1;

-- name: confirm
-- The hub says `received`: that is delivery by MQTT, whoever holds the lease.
with confirmed as (
    update alerts.delivery d
    set state = 'delivered', finished_at = $3, last_error = null, lease_token = null, leased_until = null
    where d.notification_id = $1 and d.hub_id = $2 and d.kind = 'mqtt' and d.state = 'pending'
    returning d.transition_id, d.notification_id
)
select c.transition_id, n.type, t.at as told_at, (
    select (e.body ->> 'received_at')::timestamptz from alerts.alarm_event e where e.transition_id = c.transition_id) as received_at
from confirmed c
join alerts.notification n using (notification_id)
left join alerts.transition t on t.transition_id = c.transition_id;

-- name: concerns_hub
-- Whether an alarm is a hub's business.
select alerts.concerns(alarm_id, council_id, $2) from alerts.alarm where alarm_id = $1;

-- name: hub_action
-- The same action again gets the same answer.
select result, detail from alerts.hub_action where hub_id = $1 and action_id = $2 and sha256 = $3;

-- name: keep_hub_action
-- In the transaction of what it did.
insert into alerts.hub_action (hub_id, action_id, sha256, result, detail, at) values ($1, $2, $3, $4, $5, $6);

-- name: waiting
-- Alarms that are not closed, by what people sort them by.
select priority, state, count(*) as alarms, min(opened_at) as oldest from alerts.alarm where state <> 'closed' group by 1, 2;

-- name: life_alarm_waits
-- Since when somebody of each council waits with an alarm of life; null: nobody. '': of none that we know, whatever a topic says.
with waiting as (
    select coalesce(c.council_id, '') as council_id, min(a.opened_at) as oldest
    from alerts.alarm a left join registry.council_directory c using (council_id)
    where a.state = 'open' and a.priority = 1 group by 1
)
select council_id, oldest from (select council_id from registry.council_directory union select '') as c
left join waiting using (council_id);

-- name: unroutable
-- Alarms that are not closed and whose council has no hub with a verified channel: the fallback, or every hub, was told.
select count(*) from alerts.alarm a where a.state <> 'closed' and a.kind <> 'channel_failing'
    and (a.kind <> 'monitoring_impaired' or a.council_id is not null) and not exists (
    select from registry.route_directory r join registry.channel_directory c using (hub_id)
    where r.council_id = a.council_id and c.verified_at is not null);

-- name: sessions
-- When each session that brings no news of devices was last seen to stand, by the database's clock, like `at`: renewed each second.
select shard, coalesce(session_at, created_at) as stood_at, clock_timestamp() as at from chassis.shard where service <> 'ingest';

-- name: recipients_exist
-- Whether anybody at all can be told, and whether the fallback hub ($1) can.
select count(*) > 0 as anybody, coalesce(bool_or(hub_id = $1), false) as fallback
from registry.channel_directory where verified_at is not null and not of_canary;

-- name: sealed
-- What must be decrypted before somebody is told: of each verified channel and each verified responder that has such.
select 'channels' as whose, coalesce(secret_encrypted, address_encrypted) as sealed from registry.channel_directory
where verified_at is not null and coalesce(secret_encrypted, address_encrypted) is not null
union all
select 'responders', address_encrypted from registry.responder_directory where verified_at is not null;

-- name: list_alarms
-- Newest first, from a cursor; every filter is optional. A hub sees what concerns it ($6 asked for, $7 the asker), an
-- engineer the alarms of some councils ($8). The canary's, one a minute, can be left out ($11).
select * from alerts.alarm a
where ($1::text is null or a.state = $1)
    and ($2::int is null or a.priority = $2)
    and ($3::text is null or a.council_id = $3)
    and ($4::text is null or a.device_id = $4)
    and ($5::timestamptz is null or (a.received_at, a.alarm_id) < ($5, $9::uuid))
    and ($6::text is null or alerts.concerns(a.alarm_id, a.council_id, $6))
    and ($7::text is null or alerts.concerns(a.alarm_id, a.council_id, $7))
    and ($8::text[] is null or a.council_id = any ($8))
    and ($11::boolean or a.council_id is distinct from 'canary')
order by a.received_at desc, a.alarm_id desc
limit $10;

-- name: get_alarm
-- For reading, so without its lock.
select * from alerts.alarm where alarm_id = $1;

-- name: history
-- What happened to an alarm, oldest first.
select at, event, reason, state, step, priority, actor, hub_id, detail from alerts.transition where alarm_id = $1 order by transition_id;

-- name: story_events
-- What its device sent, oldest first: the first $2 and the newest $3, for a box with a stuck button sends thousands. And how many
-- there are in all.
select e.body::text as body, n.total
from (
    select transition_id, row_number() over (order by transition_id) as nth, count(*) over () as total
    from alerts.alarm_event where alarm_id = $1
) n join alerts.alarm_event e using (transition_id)
where n.nth <= $2::bigint or n.nth > n.total - $3::bigint
order by n.nth;

-- name: story_deliveries
-- Who was told of it and what became of that, oldest first: the first $2 and the newest $3. And how many there are in all.
select d.notification_id, n.type, d.kind as channel, d.hub_id, d.responder_id::text as responder_id, d.state, d.attempts, d.created_at,
    d.finished_at, d.last_error, o.total
from (
    select delivery_id, row_number() over (order by delivery_id) as nth, count(*) over () as total
    from alerts.delivery where alarm_id = $1 and kind <> 'receipt'
) o join alerts.delivery d using (delivery_id) join alerts.notification n using (notification_id)
where o.nth <= $2::bigint or o.nth > o.total - $3::bigint
order by o.nth;

-- name: story_silences
-- Those that lasted while the alarm was open, by what it is and was, oldest first; as far as they are the asker's business ($2 a hub,
-- $3 an engineer's councils), as in silences' own list. What no silence holds back has none: a test, a dead channel.
select s.device_id, s.postcode_district, s.priorities, s.reason, s.operator, s.hub_id, s.starts_at, s.ends_at, s.ended_by
from alerts.alarm a join alerts.silence s on s.council_id = a.council_id
where a.alarm_id = $1 and not a.test and a.kind <> 'channel_failing'
    and s.ends_at > a.received_at and s.starts_at <= coalesce(a.closed_at, 'infinity')
    and s.priorities && array(select distinct t.priority from alerts.transition t where t.alarm_id = a.alarm_id)
    and (s.device_id is null or s.device_id = a.device_id)
    and (s.postcode_district is null or s.postcode_district = (
        select d.postcode_district from registry.device_directory d where d.device_id = a.device_id))
    and ($2::text is null or s.hub_id = $2
        or exists (select from registry.route_directory r where r.council_id = s.council_id and r.hub_id = $2))
    and ($3::text[] is null or s.council_id = any ($3))
order by s.starts_at, s.silence_id limit 100;

-- name: story_erasures
-- What was to be erased of its device since it came, oldest first; an alarm has nothing of the register's notes.
select d.asked_at, array_remove(d.what, 'notes') as what, e.done_at
from alerts.alarm a
join registry.erasure_directory d on d.device_id = a.device_id and d.asked_at >= a.received_at and d.what <> array['notes']
left join alerts.erasure e using (erasure_id)
where a.alarm_id = $1
order by d.asked_at limit 100;

-- name: feed_start
-- Where to follow transitions from, and what is visible already: for a snapshot read in the same (repeatable read) transaction.
select pg_snapshot_xmin(pg_current_snapshot())::text as xact, pg_current_snapshot()::text as seen;

-- name: feed_open_alarms
-- What is not closed, oldest first, as far as it is the asker's business ($1 a hub, $2 an engineer's councils).
select * from alerts.alarm a
where a.state <> 'closed'
    and ($1::text is null or alerts.concerns(a.alarm_id, a.council_id, $1))
    and ($2::text[] is null or a.council_id = any ($2))
order by a.received_at, a.alarm_id;

-- name: feed
-- Transitions after a cursor ($1, $2), in order of their transactions and only up to the oldest one still under way: an id
-- that commits late is not skipped. $3: a snapshot whose transactions were shown already. Scanned rows that are not the
-- asker's business come too (told is false), so that the cursor moves past them.
select t.xact::text as xact, t.transition_id, n.type, n.body::jsonb -> 'data' as data,
    ($4::text is null or alerts.concerns(t.alarm_id, a.council_id, $4))
    and ($5::text[] is null or a.council_id = any ($5))
    and ($3::text is null or not pg_visible_in_snapshot(t.xact, $3::text::pg_snapshot)) as told
from alerts.transition t
join alerts.notification n using (transition_id)
join alerts.alarm a on a.alarm_id = t.alarm_id
where (t.xact, t.transition_id) > ($1::text::xid8, $2::bigint) and t.xact < pg_snapshot_xmin(pg_current_snapshot())
order by t.xact, t.transition_id
limit 200;
