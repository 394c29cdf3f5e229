-- name: one_at_a_time
-- Held until the transaction ends: one process at a time takes changes (1), or decides about outages (2).
select pg_try_advisory_xact_lock(1209135270, $1);

-- name: by_index
-- For this transaction: statements are planned anew each time, and by index. A plan that was made while the tables were small would be kept
-- when they have grown, and read all of half a million rows for each batch of two thousand, until the server analyses the tables.
select set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true);

-- name: take
-- Changes of conditions, oldest first; they are all of one urgency, as the index has them. Rows that somebody holds are passed over.
select event_log_id, key, urgency, body::text as body, created_at, attempts
from chassis.event_log where event_log_id = any (array(
    select event_log_id from chassis.event_log where stream = 'conditions' and (attempts = 0 or not_before <= $1)
    order by urgency, event_log_id limit $2))
order by event_log_id
for update skip locked;

-- name: take_all
-- The same, off the log at once: they are back in it if not all could be stored.
delete from chassis.event_log where event_log_id = any (array(
    select event_log_id from chassis.event_log where stream = 'conditions' and (attempts = 0 or not_before <= $1)
    order by urgency, event_log_id limit $2))
returning event_log_id, key, urgency, body::text as body, created_at, attempts;

-- name: began
-- Devices that are affected, the latest change of each. One that was told of already goes on: what it had in common with others when it
-- began is what it had. A verdict that is no later than the last one taken is no news.
with told as (
    select * from unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::timestamptz[], $8::boolean[],
        $9::timestamptz[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[]
    ) as t (device_id, council_id, condition, version, at, since, flapping, expected_silent_at, model, firmware, sim_operator, cell_id,
        network, postcode_district)
)
insert into alerts.affected as a (device_id, council_id, condition, version, began_at, since, flapping, expected_silent_at, model,
    firmware, sim_operator, cell_id, network, postcode_district, loose_since)
select device_id, council_id, condition, version, at, since, flapping, expected_silent_at, model, firmware, sim_operator, cell_id,
    network, postcode_district, $1
from told t
where not exists (
    select from alerts.affected p
    where p.device_id = t.device_id and p.condition = t.condition and p.version >= t.version)
order by device_id
on conflict (device_id, condition) where ended_at is null do update
set version = excluded.version, since = excluded.since, flapping = excluded.flapping,
    expected_silent_at = excluded.expected_silent_at
where a.version < excluded.version;

-- name: gone_again
-- Devices that flap and fell silent once more before they were stable: whoever was told of by himself, and has no open alarm any more for a
-- person closed it, is told of anew; a member once its outage is over. Whoever closes it at this moment is waited for. `offset 0`: as below.
with found as (
    select a.affected_id, a.device_id
    from unnest($2::text[], $3::text[], $4::bigint[]) as t (device_id, condition, version)
    cross join lateral (
        select k.affected_id, k.device_id from alerts.affected k
        where k.device_id = t.device_id and k.condition = t.condition and k.ended_at is null and k.told_at is not null
            and k.version < t.version offset 0) a
), handled as (
    select l.device_id from found f join alerts.alarm l on l.device_id = f.device_id and l.kind = 'device_silent'
    where l.state <> 'closed'
    order by l.alarm_id for share of l
)
update alerts.affected a set told_at = null, loose_since = case when a.outage_id is null then $1 else a.loose_since end
from found f
where a.affected_id = f.affected_id and not exists (select from handled h where h.device_id = f.device_id);

-- name: asked_before
-- Members that flap and were heard after somebody had asked after their people, and are gone again: to be asked after anew. After `began`,
-- which wrote when they were heard; a member whose verdict is no news has no later time there.
update alerts.outage_member m set since = a.since, contacted_by = null, contacted_at = null, note = null
from unnest($1::text[], $2::text[]) as t (device_id, condition)
cross join lateral (
    select k.device_id, k.outage_id, k.since from alerts.affected k
    where k.device_id = t.device_id and k.condition = t.condition and k.ended_at is null and k.outage_id is not null offset 0) a
where m.outage_id = a.outage_id and m.device_id = a.device_id and m.contacted_at < a.since;

-- name: ended
-- Devices that are well again: those that were told of by themselves, or are members of an outage. Of a member nobody is told, but an alarm of
-- its that is held back is closed in the same way. `offset 0`: each is looked up by itself, however few the server takes to be affected.
-- One whose beginning was put off, and is yet to be taken, is kept as over: taken then, that is no later than this, and no news.
with told as (
    select * from unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[]) as t (device_id, condition, version, at)
), found as (
    select a.affected_id, t.at, t.version
    from told t cross join lateral (
        select k.affected_id from alerts.affected k
        where k.device_id = t.device_id and k.condition = t.condition and k.ended_at is null offset 0) a
), ended as (
    update alerts.affected a set ended_at = greatest(f.at, a.began_at), version = f.version
    from found f
    where a.affected_id = f.affected_id and a.version < f.version
    returning a.affected_id, a.version, a.device_id, a.council_id, a.condition, a.since, a.expected_silent_at, a.ended_at, a.told_at, a.outage_id
), not_begun as (
    insert into alerts.affected (device_id, condition, version, began_at, flapping, loose_since, ended_at)
    select t.device_id, t.condition, t.version, t.at, false, t.at, t.at from told t
    where not exists (
        select from alerts.affected p
        where p.device_id = t.device_id and p.condition = t.condition and (p.version >= t.version or p.ended_at is null))
)
select affected_id, version, device_id, council_id, condition, since, expected_silent_at, ended_at, told_at is not null as told, outage_id
from ended where told_at is not null or outage_id is not null;

-- name: left_outage
-- Members that are well again, after `ended` and not with it: whoever makes one a member at this moment was waited for by that, and what it
-- wrote is seen only by a statement that begins afterwards.
update alerts.outage_member m set left_at = t.at
from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as t (outage_id, device_id, at)
where m.outage_id = t.outage_id and m.device_id = t.device_id;

-- name: population
-- How many devices are watched, in all (attribute '') and with each trait. What a box tells as '' is no trait, and no outage has that name.
select t.attribute, t.value, count(*) as devices
from ingest.watched_device d
cross join lateral (values ('', 'all'), ('sim_operator', d.sim_operator), ('cell_id', d.cell_id), ('network', d.network),
    ('council_id', d.council_id), ('postcode_district', d.postcode_district), ('firmware', d.firmware), ('model', d.model)
) as t (attribute, value)
where t.value <> ''
group by 1, 2;

-- name: singles
-- How many devices were affected by themselves since $2, likewise.
select t.attribute, t.value, count(distinct a.device_id) as devices
from alerts.affected a
cross join lateral (values ('', 'all'), ('sim_operator', a.sim_operator), ('cell_id', a.cell_id), ('network', a.network),
    ('council_id', a.council_id), ('postcode_district', a.postcode_district), ('firmware', a.firmware), ('model', a.model)
) as t (attribute, value)
where a.condition = $1 and a.began_at > $2 and a.told_at is not null and a.outage_id is null and t.value <> ''
group by 1, 2;

-- name: loose
-- Those that no outage explains since $2, likewise: all ($3 is null), or with one trait. One that flaps is no sign of an outage.
select t.attribute, t.value, count(*) as devices
from alerts.affected a
cross join lateral (values ('', 'all'), ('sim_operator', a.sim_operator), ('cell_id', a.cell_id), ('network', a.network),
    ('council_id', a.council_id), ('postcode_district', a.postcode_district), ('firmware', a.firmware), ('model', a.model)
) as t (attribute, value)
where a.condition = $1 and a.loose_since > $2 and a.ended_at is null and a.outage_id is null and not a.flapping
    and t.value <> '' and ($3::text is null or alerts.trait(a, $3) = $4)
group by 1, 2;

-- name: members
-- Of an outage, those that are affected still, likewise.
select t.attribute, t.value, count(*) as devices
from alerts.affected a
cross join lateral (values ('', 'all'), ('sim_operator', a.sim_operator), ('cell_id', a.cell_id), ('network', a.network),
    ('council_id', a.council_id), ('postcode_district', a.postcode_district), ('firmware', a.firmware), ('model', a.model)
) as t (attribute, value)
where a.outage_id = $1 and a.ended_at is null and t.value <> ''
group by 1, 2;

-- name: open_outages
-- Of one condition, with how many of each are affected still, and how many of those flap.
select o.*, m.counted, m.flapping
from alerts.outage o cross join lateral (
    select count(*) as counted, count(*) filter (where a.flapping) as flapping
    from alerts.affected a where a.outage_id = o.outage_id and a.ended_at is null) m
where o.closed_at is null and o.condition = $1 order by o.opened_at, o.outage_id;

-- name: begin_outage
-- Nothing, when another process was first.
insert into alerts.outage (outage_id, condition, attribute, value, opened_at, began_at, log_p, log_ratio)
values ($1, $2, $3, $4, $5, $5, $6, $7)
on conflict (condition, attribute, value) where closed_at is null do nothing
returning outage_id;

-- name: join_outage
-- Up to $4 of the loose ones with its trait are its members, while it is open. Alarms of theirs that people were told of are looked at, and
-- held back. Whoever was asked after since he is affected, as a member of another outage, is so here: that one has another name now, or is over.
-- Whoever was well since he was asked after, of whichever outage, is to be asked after anew.
with chosen as (
    select a.affected_id from alerts.affected a, alerts.outage o
    where o.outage_id = $1 and o.closed_at is null and a.condition = o.condition and a.loose_since > $2 and a.ended_at is null and a.outage_id is null
        and alerts.trait(a, o.attribute) = o.value
    limit $4 for update of a skip locked
), joined as (
    update alerts.affected a set outage_id = $1 from chosen where a.affected_id = chosen.affected_id
    returning a.*
), kept as (
    -- As it is now: whoever ticks one off at this moment is waited for.
    select m.device_id, m.contacted_by, m.contacted_at, m.note, j.began_at
    from joined j join alerts.outage_member m on m.device_id = j.device_id
        and (coalesce(m.left_at, 'infinity') > j.began_at or m.contacted_at >= j.began_at)
        and exists (select from alerts.outage o where o.outage_id = m.outage_id and o.condition = j.condition offset 0)
    order by m.device_id, m.outage_id for update of m
), listed as (
    insert into alerts.outage_member as m (outage_id, device_id, council_id, postcode_district, since, joined_at, contacted_by,
        contacted_at, note)
    select $1, j.device_id, j.council_id, j.postcode_district, j.since, $3, k.contacted_by, k.contacted_at, k.note
    from joined j left join (
        select distinct on (device_id) * from kept where contacted_at >= began_at order by device_id, contacted_at desc) k using (device_id)
    on conflict (outage_id, device_id) do update set left_at = null, since = excluded.since,
        contacted_by = excluded.contacted_by, contacted_at = excluded.contacted_at, note = excluded.note
), held as (
    update alerts.alarm set wake_at = $3
    where alarm_id in (
        select l.alarm_id from joined j join alerts.alarm l on l.device_id = j.device_id
            and l.kind = case j.condition when 'silent' then 'device_silent' else 'power_supply' end
        where l.state = 'open' and l.priority >= 3 and l.silenced_until is null
        order by l.alarm_id for update of l skip locked)
)
select count(*) from joined;

-- name: name_of
select attribute, value from alerts.outage where outage_id = $1;

-- name: rename_outage
update alerts.outage set attribute = $2, value = $3, log_p = $4, log_ratio = $5, unsorted = true where outage_id = $1 and closed_at is null;

-- name: unsorted
-- One with members that are not its own any more.
select outage_id from alerts.outage where unsorted and condition = $1 order by opened_at, outage_id limit 1;

-- name: sort_out
-- Up to $3 members that an outage does not explain, for it has another name, or is over. Those that the one explains whose part it is, are
-- members of that; all others are explained by nothing any more, and alarms of theirs that were held back are looked at.
with outage as (
    select o.closed_at, o.attribute, o.value, w.outage_id as wide, w.attribute as wide_attribute, w.value as wide_value
    from alerts.outage o left join alerts.outage w on w.outage_id = o.merged_into and w.closed_at is null
    where o.outage_id = $1
), chosen as (
    select a.affected_id, case when alerts.trait(a, o.wide_attribute) = o.wide_value then o.wide end as goes_to
    from alerts.affected a, outage o
    where a.outage_id = $1 and a.ended_at is null and (o.closed_at is not null or alerts.trait(a, o.attribute) is distinct from o.value)
    limit $3 for update of a skip locked
), sorted as (
    update alerts.affected a set outage_id = c.goes_to, loose_since = case when c.goes_to is null then $2 else a.loose_since end
    from chosen c where a.affected_id = c.affected_id
    returning a.*
), kept as (
    -- As it is now: whoever ticks it off at this moment is waited for, and what he said goes with the member. What was said on the list
    -- that it comes to, before it was well for a while, does not.
    select m.outage_id, m.device_id, m.contacted_by, m.contacted_at, m.note, s.began_at
    from sorted s join alerts.outage_member m on m.outage_id = any (array[$1, s.outage_id]) and m.device_id = s.device_id
    order by m.device_id, m.outage_id for update of m
), left_outage as (
    update alerts.outage_member m set left_at = $2 from kept k
    where m.outage_id = $1 and k.outage_id = $1 and m.device_id = k.device_id
), listed as (
    insert into alerts.outage_member as m (outage_id, device_id, council_id, postcode_district, since, joined_at, contacted_by,
        contacted_at, note)
    select s.outage_id, s.device_id, s.council_id, s.postcode_district, s.since, $2, k.contacted_by, k.contacted_at, k.note
    from sorted s left join (
        select distinct on (device_id) * from kept where contacted_at >= began_at order by device_id, contacted_at desc) k using (device_id)
    where s.outage_id is not null
    on conflict (outage_id, device_id) do update set left_at = null, since = excluded.since,
        contacted_by = excluded.contacted_by, contacted_at = excluded.contacted_at, note = excluded.note
), woken as (
    update alerts.alarm set wake_at = least(wake_at, $2)
    where alarm_id in (
        select l.alarm_id from sorted s join alerts.alarm l on l.device_id = s.device_id
            and l.kind = case s.condition when 'silent' then 'device_silent' else 'power_supply' end
        where s.outage_id is null and l.state <> 'closed' and l.silenced_until is not null
        order by l.alarm_id for update of l)
)
select count(*) from sorted;

-- name: sorted_out
-- All its members are its own. Nothing, when there are others still, whose rows somebody held.
update alerts.outage o set unsorted = false
where outage_id = $1 and not exists (
    select from alerts.affected a
    where a.outage_id = $1 and a.ended_at is null and (o.closed_at is not null or alerts.trait(a, o.attribute) is distinct from o.value))
returning true;

-- name: merged
-- It is part of another: closed, and its members are that one's in due course. Its news says so.
update alerts.outage set merged_into = $2, closed_at = $3, closed_as = 'merged', members_now = 0, unsorted = true where outage_id = $1 and closed_at is null
returning *;

-- name: stands
-- How it stands, and what people were told of it. Of one that is over, nobody is a member any more, in due course. One that somebody has
-- closed by hand since it was read stays so.
update alerts.outage
set unsorted = unsorted or $5::timestamptz is not null, members_now = $2, peak = $3, low_since = $4, closed_at = $5, told_at = $6,
    told_members = $7, told_attribute = $8, told_value = $9,
    mark = $10, moved_at = $11, called_at = $12, closed_as = $13, left_behind = $14
where outage_id = $1 and closed_at is null;

-- name: deaf_for
-- For how long, from $1 to $2, the shard that heard least could not hear: lapses, and what is going on. One that nobody ever worked hears nobody.
-- Lapses of one shard run at once, one for each of its filters say: a minute counts once.
select coalesce(max(s.lapsed + greatest($2 - greatest(s.heard_until + interval '5 seconds', $1), interval '0')), interval '0')
from (
    select k.heard_until, coalesce((
        select sum(upper(once) - lower(once)) from unnest((
            select range_agg(tstzrange(greatest(l.started_at, $1), least(l.ended_at, $2)))
            from chassis.hearing_lapse l where l.shard = k.shard and l.ended_at > $1 and l.started_at < $2)) once), interval '0') as lapsed
    from chassis.shard k where k.service = 'ingest' and k.lane = 'heartbeat' and k.heard_until is not null) s;

-- name: calls
-- Who is left, by council, and how many of them nobody has asked after: a person is called for them now. Nobody is left of a council for
-- which one was called before: that is over. So are all, when the outage is ($3).
with left_now as (
    select coalesce(m.council_id, '') as council_id, count(*) as homes, count(*) filter (where m.contacted_at is null) as unasked
    from alerts.outage_member m where m.outage_id = $1 and m.left_at is null and not $3
    group by 1
), called as (
    insert into alerts.outage_call as c (outage_id, council_id, called_at, homes)
    select $1, council_id, $2, homes from left_now
    on conflict (outage_id, council_id) do update set called_at = excluded.called_at, homes = excluded.homes, ended_at = null
), over as (
    update alerts.outage_call c set ended_at = $2
    where c.outage_id = $1 and c.ended_at is null and not exists (select from left_now l where l.council_id = c.council_id)
    returning c.council_id
)
select council_id, homes, unasked from left_now
union all select council_id, 0, 0 from over
order by council_id;

-- name: counted
-- What is counted for people, when they are told: whoever was a member, of which councils, and when most were last well (a tenth may have
-- been ill before).
update alerts.outage o
set members = m.members, councils = m.councils, began_at = least(o.opened_at, m.began_at)
from (
    select count(*) as members, coalesce(array_agg(distinct council_id) filter (where council_id is not null), '{}') as councils,
        coalesce(percentile_disc(0.1) within group (order by since), 'infinity') as began_at
    from alerts.outage_member where outage_id = $1) m
where o.outage_id = $1
returning o.*;

-- name: has_members_of
-- Any of these councils ($2).
select exists (
    select from unnest($2::text[]) c (council_id)
    where exists (select from alerts.outage_member m where m.outage_id = $1 and m.council_id = c.council_id));

-- name: tell
-- One notification of an outage, to every hub that serves a council of its members, and to technical hubs of those; is there none,
-- to the fallback hub ($7), and without that to every hub.
with channels as (
    select c.channel_id, c.kind, c.hub_id from registry.channel_directory c where c.verified_at is not null and not c.of_canary
), serving as (
    select c.* from channels c where c.hub_id in (
        select hub_id from registry.route_directory where council_id = any ($6::text[])
        union select hub_id from registry.technical_hub_directory where council_id = any ($6::text[]))
), fallback as (
    select c.* from channels c where c.hub_id = $7 and not exists (select from serving)
), told as (
    select * from serving
    union all select * from fallback
    union all select * from channels where not exists (select from serving) and not exists (select from fallback)
), notified as (
    insert into alerts.notification (notification_id, outage_id, type, timestamp, body) values ($1, $2, $3, $4, $5)
    returning notification_id
), parcels as (
    insert into alerts.delivery (outage_id, notification_id, kind, channel, hub_id, priority, due_at, created_at)
    select $2, notification_id, t.kind, t.channel_id, t.hub_id, $8, $4, $4 from notified, told t
    returning hub_id
)
select count(distinct hub_id) as hubs, chassis.hint('outage', '') from parcels;

-- name: settle
-- Those that waited long enough for others to turn up and are told of by themselves, at most $6: since $2, or since $3 when they have a
-- trait ($4, $5) of which improbably many are affected; or since what is the future by now, for the clock was put back. A bounded number,
-- and no two processes take the same. Nobody for whom, as one of those left of an outage, a person was called since $8 ago.
with chosen as (
    select a.affected_id from alerts.affected a
    where a.ended_at is null and a.outage_id is null and a.told_at is null and a.condition = $7
        and (a.loose_since > $1::timestamptz + interval '1 minute' or (a.loose_since <= $2 and (a.loose_since <= $3 or not exists (
            select from unnest($4::text[], $5::text[]) as s (attribute, value) where alerts.trait(a, s.attribute) = s.value))))
        and not exists (
            select from alerts.outage_member m join alerts.outage o on o.outage_id = m.outage_id
            where m.device_id = a.device_id and o.condition = a.condition and o.called_at between $1 - $8::interval and $1
                and a.began_at <= o.called_at and m.joined_at <= o.called_at and (m.left_at is null or m.left_at >= o.called_at))
    order by a.loose_since limit $6 for update skip locked
)
update alerts.affected a set told_at = $1 from chosen where a.affected_id = chosen.affected_id
returning a.affected_id, a.device_id, a.council_id, a.condition, a.version, a.since, a.expected_silent_at, a.began_at, (
    -- As a member of an outage that is over, and since he is silent: the alarm says so, that nobody need ask again.
    select max(m.contacted_at) from alerts.outage_member m
    where m.device_id = a.device_id and m.contacted_at >= greatest(a.began_at, a.since)) as asked_at;

-- name: forget
-- What ended before then and was no outage's, a bounded number. Members stay in their outage's list.
with gone as (
    delete from alerts.affected where affected_id in (
        select affected_id from alerts.affected where ended_at < $1 order by ended_at limit 5000)
    returning 1
)
select count(*) from gone;

-- name: forget_members
select alerts.forget_members($1);

-- name: decaying
-- What people were told of, and nobody has said the end of.
select attribute, value, since, council_id from alerts.decay;

-- name: decay_council
-- The council with most of these devices.
select council_id from ingest.watched_device d
where ($1 = 'firmware' and d.firmware = $2) or ($1 = 'model' and d.model = $2)
group by 1 order by count(*) desc, 1 limit 1;

-- name: decay_begins
insert into alerts.decay (attribute, value, since, council_id) values ($1, $2, $3, $4) on conflict do nothing returning attribute;

-- name: decay_ends
delete from alerts.decay where attribute = $1 and value = $2 returning attribute;

-- name: forget_notes
-- What operators wrote, of contacts before then: who asked after whom, and when, stays.
with gone as (
    update alerts.outage_member set note = null where note is not null and contacted_at < $1 returning 1
)
select count(*) from gone;

-- name: gauges
select c.condition, count(o.outage_id) as open, coalesce(sum(o.members_now), 0) as members
from unnest(array['silent', 'mains_lost']) as c (condition)
left join alerts.outage o on o.condition = c.condition and o.closed_at is null
group by 1;

-- name: list
-- Newest first, from a cursor ($4, $5): what is open ($1), or over. A hub ($2) sees those with members of its councils, an engineer ($3)
-- likewise; each counts its own.
select o.*, (
    select count(*) from alerts.outage_member m where m.outage_id = o.outage_id and m.contacted_at is not null
        and ($2::text is null or m.council_id in (select r.council_id from registry.route_directory r where r.hub_id = $2))
        and ($3::text[] is null or m.council_id = any ($3))) as contacted
from alerts.outage o
where ($1::boolean is null or (o.closed_at is null) = $1)
    and ($2::text is null or o.councils && array(select r.council_id from registry.route_directory r where r.hub_id = $2))
    and ($3::text[] is null or o.councils && $3)
    and ($4::timestamptz is null or (o.opened_at, o.outage_id) < ($4, $5::uuid))
order by o.opened_at desc, o.outage_id desc
limit $6;

-- name: get
-- One, as far as it is the asker's business.
select o.*, (
    select count(*) from alerts.outage_member m where m.outage_id = o.outage_id and m.contacted_at is not null
        and ($2::text is null or m.council_id in (select r.council_id from registry.route_directory r where r.hub_id = $2))
        and ($3::text[] is null or m.council_id = any ($3))) as contacted, (
    select count(*) from alerts.outage_member m where m.outage_id = o.outage_id
        and ($2::text is null or m.council_id in (select r.council_id from registry.route_directory r where r.hub_id = $2))
        and ($3::text[] is null or m.council_id = any ($3))) as listed
from alerts.outage o
where o.outage_id = $1
    and ($2::text is null or o.councils && array(select r.council_id from registry.route_directory r where r.hub_id = $2))
    and ($3::text[] is null or o.councils && $3);

-- name: list_members
-- By device, after $4 ('' is before all): those of the asker's councils. $5: of whom nobody has been asked after yet.
select m.device_id, m.council_id, m.postcode_district, d.installation_ref, m.since, m.joined_at, m.left_at, m.contacted_by,
    m.contacted_at, m.note
from alerts.outage_member m left join registry.device_directory d using (device_id)
where m.outage_id = $1
    and ($2::text is null or m.council_id in (select r.council_id from registry.route_directory r where r.hub_id = $2))
    and ($3::text[] is null or m.council_id = any ($3))
    and m.device_id > $4
    and (not $5 or m.contacted_at is null)
order by m.device_id
limit $6;

-- name: hold_member
-- Whoever decides what its outage is part of has done so for this member, or waits: of a device every row that a tick may be written to is
-- locked at once, in the order in which whoever decides locks them, by outage. Taken one after the other, the two waited for each other.
select from alerts.outage_member m
where m.device_id = $2 and exists (select from alerts.outage_member k where k.outage_id = $1 and k.device_id = $2)
order by m.outage_id for update of m;

-- name: contacted
-- Who asked after the person, when, and what they say of it; of a member of the asker's councils. Said again, the last word stands. Is the
-- outage part of another by now, it is said of the member of that, too: the person is the same, and nobody need ask again.
with recursive said as (
    update alerts.outage_member m set contacted_by = $5, contacted_at = $6, note = $7
    where m.outage_id = $1 and m.device_id = $4
        and ($2::text is null or m.council_id in (select r.council_id from registry.route_directory r where r.hub_id = $2))
        and ($3::text[] is null or m.council_id = any ($3))
    returning m.*
), part_of as (
    select merged_into from alerts.outage where outage_id = $1 and merged_into is not null
    union
    select wide.merged_into from part_of p cross join lateral (
        select o.merged_into from alerts.outage o where o.outage_id = p.merged_into and o.merged_into is not null offset 0) wide
), member_now as (
    select a.outage_id
    from said s join alerts.outage o on o.outage_id = s.outage_id
    join alerts.affected a on a.device_id = $4 and a.condition = o.condition and a.ended_at is null and a.began_at <= $6
), followed as (
    update alerts.outage_member m set contacted_by = $5, contacted_at = $6, note = $7
    where m.device_id = $4 and m.outage_id <> $1 and exists (select from said)
        and (m.outage_id = any (array(select merged_into from part_of)) or m.outage_id = any (array(select outage_id from member_now)))
)
select s.device_id, s.council_id, s.postcode_district, d.installation_ref, s.since, s.joined_at, s.left_at, s.contacted_by,
    s.contacted_at, s.note, chassis.hint('outage', '')
from said s left join registry.device_directory d using (device_id);

-- name: worked_on
-- Outages that are open, or were so at $1: their lists are being worked through.
select outage_id from alerts.outage where closed_at is null or closed_at > $1 order by opened_at, outage_id;

-- name: elsewhere
-- Of $3 members, by device after $2: the last, and whether any lives in another council now than is listed.
with page as materialized (
    select device_id, council_id from alerts.outage_member where outage_id = $1 and device_id > $2 order by device_id limit $3
)
select (select max(device_id) from page) as last, exists (
    select from page p
    cross join lateral (select k.council_id from registry.device_directory k where k.device_id = p.device_id offset 0) d
    where d.council_id is distinct from p.council_id) as moved;

-- name: alone
-- As `one_at_a_time`, and whoever decides is waited for.
select pg_advisory_xact_lock(1209135270, $1);

-- name: relocated
-- Of $3 members, by device after $2, those who live in another council now are listed there. One whose row somebody holds is looked at
-- again the next time: nobody is waited for.
with page as materialized (
    select device_id, council_id from alerts.outage_member where outage_id = $1 and device_id > $2 order by device_id limit $3
), elsewhere as (
    select m.device_id, d.council_id, d.postcode_district
    from page p
    cross join lateral (
        select k.council_id, k.postcode_district from registry.device_directory k where k.device_id = p.device_id offset 0) d
    join alerts.outage_member m on m.outage_id = $1 and m.device_id = p.device_id
    where d.council_id is distinct from p.council_id
    for update of m skip locked
), moved as (
    update alerts.outage_member m set council_id = e.council_id, postcode_district = e.postcode_district
    from elsewhere e where m.outage_id = $1 and m.device_id = e.device_id
    returning m.device_id
)
select (select max(device_id) from page) as last, (select count(*) from moved) as moved;

-- name: council_names
select council_id, name from registry.council_directory;
