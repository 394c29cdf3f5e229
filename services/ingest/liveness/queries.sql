-- The sweep: who fell silent, and who is heard again. It looks at liveness some pages at a time, so that no statement keeps the database
-- for long; `now` is the caller's, but for the lease.

-- name: take_lease
-- One process sweeps at a time, by the database's own time; a lease that ends in what is far away by now was given before the clock was
-- put back. Correctness rests on the verdicts' versions alone: two that sweep at once only do the work twice.
update ingest.sweep
set holder = $1, held_until = clock_timestamp() + make_interval(secs => $2)
where holder is null or holder = $1
    or held_until not between clock_timestamp() and clock_timestamp() + make_interval(secs => 2 * $2)
returning registrations, pg_relation_filenode('ingest.liveness') as filenode,
    pg_relation_size('ingest.liveness') / current_setting('block_size')::bigint as pages;

-- name: release_lease
update ingest.sweep set holder = null, held_until = null where holder = $1;

-- name: promises
-- What each model's devices promise, as the register has it now: its own row, or that of `default`.
select m.model_id, m.name, t.heartbeat_interval_s, t.late_after_missed, t.silent_after_s, t.battery_hours, t.signal_dbm_min
from ingest.model m
cross join lateral (
    select d.* from registry.model_directory d where lower(d.model) in (lower(m.name), 'default')
    order by d.model = 'default' limit 1
) t;

-- name: ears
-- The shards by which heartbeats come, whose, and since when each has heard nothing, if it is blind at $1. One that never heard is, since it was
-- set up.
select s.shard, s.filters, s.subscribed, case
    when s.heard_until is null then s.created_at
    when s.heard_until < $1::timestamptz - interval '5 seconds' then s.heard_until end as blind_since
from chassis.shard s where s.service = 'ingest' and s.lane = 'heartbeat' order by s.shard;

-- name: lapses
-- Those that ended since $1: nobody's silence lasts so long without being told. What ends in the future by the database's own clock was
-- written before that was put back: the step was no deafness, and until it is over nobody's silence would be seen. `filters`: of what these
-- let through alone; null: of all.
select shard, filters, started_at, case when ended_at > clock_timestamp() + interval '1 minute' then started_at else ended_at end as ended_at
from chassis.hearing_lapse where ended_at > $1 and started_at <= clock_timestamp();

-- name: probe
-- Of the pages from $1 to before $2, by model: how many may be due (were there no lapses) and where, if they are no more than $5; since
-- when the longest of the others was not heard, and since when any of them was not. $3: by model, the instant that whoever is due was not
-- heard since; $4: councils by whose topics nobody is.
-- (Times are compared and never subtracted: intervals cost four times as much, by the million.)
select model_id, count(*) filter (where counts_from < due_before) as due,
    case when count(*) filter (where counts_from < due_before) <= $5
        then array_agg(ctid) filter (where counts_from < due_before) end as places,
    min(counts_from) filter (where counts_from >= due_before) as next_from, max(counts_from) as last_from
from (
    select ctid, model_id, greatest(last_heard_at, watched_since) as counts_from, ($3::timestamptz[])[model_id] as due_before
    from ingest.liveness
    where ctid >= $1::tid and ctid < $2::tid and watched_since is not null and not silent
        and coalesce(heard_in, council_id) <> all ($4::text[])
) watched
group by model_id;

-- name: due
-- Those, some at a time: after $1, before $2.
select ctid as place, device_id, council_id, coalesce(heard_in, council_id) as heard_in, watched_since, last_heard_at, judged_heard_at, returned_at,
    silences, first_silence_at, silent, verdict_version, model_id
from ingest.liveness
where ctid > $1::tid and ctid < $2::tid and watched_since is not null and not silent
    and coalesce(heard_in, council_id) <> all ($4::text[])
    and greatest(last_heard_at, watched_since) < ($3::timestamptz[])[model_id]
limit $5;

-- name: due_at
-- The same of the rows at the places $1, which need not be read all over again to find a few.
select ctid as place, device_id, council_id, coalesce(heard_in, council_id) as heard_in, watched_since, last_heard_at, judged_heard_at, returned_at,
    silences, first_silence_at, silent, verdict_version, model_id
from ingest.liveness
where ctid = any ($1::tid[]) and watched_since is not null and not silent and coalesce(heard_in, council_id) <> all ($3::text[])
    and greatest(last_heard_at, watched_since) < ($2::timestamptz[])[model_id];

-- name: heard_in_future
-- Heard, or watched, in what is the future by now: the clock was put back. As if it were now; else it could fall silent unnoticed until then.
update ingest.liveness
set last_heard_at = case when last_heard_at > $3 then $3 else last_heard_at end,
    watched_since = case when watched_since > $3 then $3 else watched_since end
where ctid = any (array(
    select ctid from ingest.liveness
    where ctid >= $1::tid and ctid < $2::tid
        and (last_heard_at > $3::timestamptz + interval '1 minute' or watched_since > $3::timestamptz + interval '1 minute')
        and not silent
    limit $4 for update skip locked))
returning 1;

-- name: silent_in_future
-- Likewise of silent devices after $1, up to $2, and of when they were judged; else they could be heard again unnoticed until then.
update ingest.liveness
set last_heard_at = case when last_heard_at > $3 then $3 else last_heard_at end,
    judged_heard_at = case when judged_heard_at > $3 then $3 else judged_heard_at end,
    returned_at = case when returned_at > $3 then $3 else returned_at end
where device_id = any (array(
    select device_id from ingest.liveness
    where silent and device_id > $1 and device_id <= $2
        and greatest(last_heard_at, judged_heard_at, returned_at) > $3::timestamptz + interval '1 minute'
    for update skip locked));

-- name: silent_page
-- Silent devices whose verdict may be over, among the next few of them after $1: heard since, watched no more, or flapping and perhaps
-- stable by now ($3, by model) or gone again ($4, as in `probe`). One row at least; `upto`: where the page ends, null past the last; `last_from`: the latest of what counts.
with page as materialized (
    select ctid as place, * from ingest.liveness where silent and device_id > $1 order by device_id limit $2
)
select (select max(device_id) from page) as upto,
    (select max(greatest(last_heard_at, judged_heard_at, returned_at)) from page) as last_from,
    p.place, p.device_id, p.council_id, coalesce(p.heard_in, p.council_id) as heard_in, p.watched_since, p.last_heard_at, p.judged_heard_at,
    p.returned_at, p.silences, p.first_silence_at, p.silent, p.verdict_version, p.model_id
from (select) one
left join page p on p.watched_since is null
    or case when p.returned_at is null
        then p.last_heard_at > p.judged_heard_at or (p.judged_heard_at is null and p.last_heard_at is not null)
        else p.last_heard_at - p.returned_at >= ($3::interval[])[p.model_id]
            or greatest(p.last_heard_at, p.watched_since) < ($4::timestamptz[])[p.model_id] end;

-- name: store_verdicts
-- Each only if nothing was judged, heard or registered of the device since it was looked at: one row changed, and the verdict is ours.
-- What alerts is told of it, if it turns or is gone again before it was stable, is in the same statement: a
-- contracts.condition.ConditionChange, of the row that is changed.
-- A row is looked for where it was seen, for whatever changes it moves it. One that a heartbeat is just updating is passed over: that
-- device is heard; and nobody waits for whom, in whatever order rows are locked. $11: so many silences are flapping.
with mine as materialized (
    select l.ctid as at_place, l.silent as was_silent, l.returned_at is not null as was_back, m.name as model, t.*
    from unnest($1::tid[], $2::text[], $3::integer[], $4::timestamptz[], $5::timestamptz[], $6::boolean[], $7::timestamptz[],
        $8::smallint[], $9::timestamptz[], $10::text[])
    as t (place, device_id, version, heard_at, watched_since, silent, returned_at, silences, first_silence_at, change_id)
    join ingest.liveness l on l.ctid = t.place and l.device_id = t.device_id
    left join ingest.model m on m.model_id = l.model_id
    where l.verdict_version = t.version and l.last_heard_at is not distinct from t.heard_at
        and l.watched_since is not distinct from t.watched_since
    for update of l skip locked
), judged as (
    update ingest.liveness l
    set silent = t.silent, returned_at = t.returned_at, silences = t.silences, first_silence_at = t.first_silence_at,
        verdict_version = l.verdict_version + 1, judged_at = $12, judged_heard_at = l.last_heard_at
    from mine t
    where l.ctid = t.at_place and l.verdict_version = t.version and l.last_heard_at is not distinct from t.heard_at
    returning l.device_id, l.council_id, l.silent, l.last_heard_at, l.verdict_version, l.watched_since, l.silences,
        l.silent <> t.was_silent or (l.silent and t.was_back and l.returned_at is null) as turns, t.model, l.firmware,
        coalesce(l.sim_operator, l.sim_registered) as sim_operator, l.cell_id, l.network, l.postcode_district, t.change_id
), entered as (
    insert into chassis.event_log (stream, key, urgency, body, created_at, not_before)
    select 'conditions', device_id, 3, jsonb_build_object(
        'change_id', change_id, 'device_id', device_id, 'council_id', council_id, 'condition', 'silent',
        'turn', case when silent then 'began' else 'ended' end, 'at', $12::timestamptz, 'since', last_heard_at, 'version', verdict_version,
        'flapping', silences >= $11, 'expected_silent_at', null, 'watched', watched_since is not null, 'model', model, 'firmware', firmware,
        'sim_operator', sim_operator, 'cell_id', cell_id, 'network', network, 'postcode_district', postcode_district), $12, $12
    from judged where turns
)
select case when silent then 'began' else 'ended' end as turn, count(*) as stored from judged where turns group by silent;

-- name: silent_by_council
-- A council without any is told as nought.
select c.council_id, coalesce(s.silent, 0) as silent
from registry.council_directory c
left join (select council_id, count(*) as silent from ingest.liveness where silent group by council_id) s using (council_id);

-- name: count_heard
-- Of the pages from $1 to before $2, by what is counted: the watched devices that must have been heard since an instant by their model ($3),
-- those that were, and those that are late by now ($4, likewise); and how many heartbeats all of them ever missed. Cells, districts,
-- firmwares and networks are told apart if they are named ($5 to $8). (A subquery is hashed once, however the statement is planned.)
select council_id, heard_in, model_id, sim_operator, cell, postcode_district, firmware, network,
    count(*) filter (where owed) as expected,
    count(*) filter (where owed and last_heard_at >= heard_since) as heard,
    count(*) filter (where owed and silent and not coalesce(last_heard_at >= heard_since, false)) as silent,
    count(*) filter (where owed and not silent and not coalesce(last_heard_at >= heard_since, false)
        and greatest(last_heard_at, watched_since) < late_before) as late,
    sum(missed) filter (where missed > 0) as missed
from (
    select council_id, heard_in, model_id, coalesce(sim_operator, sim_registered, '') as sim_operator, silent, last_heard_at, watched_since,
        missed, ($3::timestamptz[])[model_id] as heard_since, ($4::timestamptz[])[model_id] as late_before,
        watched_since < ($3::timestamptz[])[model_id] as owed,
        case when cell_id in (select unnest($5::text[])) then cell_id else '' end as cell,
        case when postcode_district in (select unnest($6::text[])) then postcode_district else '' end as postcode_district,
        case when firmware in (select unnest($7::text[])) then firmware else '' end as firmware,
        case when network in (select unnest($8::text[])) then network else '' end as network
    from ingest.liveness
    where ctid >= $1::tid and ctid < $2::tid and watched_since is not null
) watched
group by council_id, heard_in, model_id, sim_operator, cell, postcode_district, firmware, network;

-- name: look_roughly
-- Of the pages from $1 to before $2, by each of four things alone: who should be heard, those aside that are called silent, and who of them
-- is missing. $4: all that should be heard; else the missing ones alone, which are few. What a device tells as '' is no value. Nobody is
-- looked at who is heard by the topics of a council and has a model ($5, $6: together) that could not be heard.
select case grouping(cell_id, postcode_district, firmware, network)
        when 7 then 'cell' when 11 then 'postcode_district' when 13 then 'firmware' else 'network' end as attribute,
    coalesce(cell_id, postcode_district, firmware, network) as value,
    count(*) filter (where is_heard or not silent) as due, count(*) filter (where not is_heard and not silent) as missing
from (
    select cell_id, postcode_district, firmware, network, silent, coalesce(last_heard_at >= ($3::timestamptz[])[model_id], false) as is_heard
    from ingest.liveness
    where ctid >= $1::tid and ctid < $2::tid and watched_since < ($3::timestamptz[])[model_id]
        and ($4 or (not silent and coalesce(last_heard_at < ($3::timestamptz[])[model_id], true)))
        and (cardinality($5::text[]) = 0
            or (coalesce(heard_in, council_id), model_id) not in (select * from unnest($5::text[], $6::integer[])))
) owed
group by grouping sets ((cell_id), (postcode_district), (firmware), (network))
having coalesce(cell_id, postcode_district, firmware, network) <> '';

-- name: names
-- What was named when it was counted last.
select distinct t.attribute, t.value
from ingest.hearing_named n
cross join lateral (values ('cell', n.cell), ('postcode_district', n.postcode_district), ('firmware', n.firmware), ('network', n.network))
    as t (attribute, value)
where t.value <> '';

-- name: store_count
insert into ingest.hearing_count as c
    (shard, council_id, model, sim_operator, counted_at, expected, heard, silent, late)
select shard, council_id, model, sim_operator, $9, expected, heard, silent, late
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::integer[], $7::integer[], $8::integer[])
    as t (shard, council_id, model, sim_operator, expected, heard, silent, late)
on conflict (shard, council_id, model, sim_operator) do update
set counted_at = excluded.counted_at, expected = excluded.expected, heard = excluded.heard, silent = excluded.silent, late = excluded.late;

-- name: forget_counts
-- Of what was not counted now ($1) though it could be: not of shards, councils and models ($2 to $4) of which some could not be heard. Those
-- whom no shard hears ('') were heard by one that counts none of their council and model now: it can't be asked which that was.
delete from ingest.hearing_count c
where c.counted_at <> $1 and not exists (
    select from unnest($2::text[], $3::text[], $4::text[]) as deaf (shard, council_id, model)
    where deaf.council_id = c.council_id and (deaf.model = c.model or c.model = '')
        and (deaf.shard = c.shard or (deaf.shard = '' and not exists (
            select from ingest.hearing_count n
            where n.shard = c.shard and n.council_id = c.council_id and n.model = c.model and n.counted_at = $1))));

-- name: forget_named
-- Likewise, of what is named.
delete from ingest.hearing_named c
where not exists (
    select from unnest($2::text[], $3::text[], $4::text[]) as deaf (shard, council_id, model)
    where deaf.council_id = c.council_id and (deaf.model = c.model or c.model = '')
        and (deaf.shard = c.shard or (deaf.shard = '' and not exists (
            select from ingest.hearing_count n
            where n.shard = c.shard and n.council_id = c.council_id and n.model = c.model and n.counted_at = $1))));

-- name: store_named
-- Never without `store_count` in the same transaction, at the same time: these are parts of those.
insert into ingest.hearing_named as c
    (shard, council_id, model, sim_operator, cell, postcode_district, firmware, network, counted_at, expected, heard, silent)
select shard, council_id, model, sim_operator, cell, postcode_district, firmware, network, $12, expected, heard, silent
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::integer[], $10::integer[], $11::integer[])
    as t (shard, council_id, model, sim_operator, cell, postcode_district, firmware, network, expected, heard, silent)
on conflict (shard, council_id, model, sim_operator, cell, postcode_district, firmware, network) do update
set counted_at = excluded.counted_at, expected = excluded.expected, heard = excluded.heard, silent = excluded.silent;

-- name: keep_elsewhere
-- Pairs of councils, these ($1, $2) and no others. Most rounds change none.
with there as (select * from unnest($1::text[], $2::text[]) as t (council_id, heard_in)), gone as (
    delete from ingest.elsewhere e
    where not exists (select from there t where t.council_id = e.council_id and t.heard_in = e.heard_in)
)
insert into ingest.elsewhere (council_id, heard_in) select council_id, heard_in from there on conflict do nothing;

-- name: note_missed
-- How many more heartbeats were missed than when they were counted last. Those of devices that are gone are no longer among them.
update ingest.sweep s set missed = $1, counted_at = $2
from (select missed, counted_at from ingest.sweep for update) before
returning case when before.counted_at is null then 0 else greatest($1 - before.missed, 0) end;

-- name: hearing_by_shard
-- Of each, how many are expected and how many heard; nothing of one that was counted before $1, or before the clock was put back.
select s.shard, sum(c.expected) as expected, sum(c.heard) as heard
from chassis.shard s left join ingest.hearing_count c on c.shard = s.shard and c.counted_at > $1 and c.counted_at < $1 + interval '3 minutes'
where s.service = 'ingest' and s.lane = 'heartbeat' group by s.shard;

-- name: named_by_attribute
-- How many values are named; nothing is, of what was counted before $1.
select a.attribute, (
    select count(distinct value) from ingest.hearing_named n
    cross join lateral (select case a.attribute when 'cell' then n.cell when 'postcode_district' then n.postcode_district
        when 'firmware' then n.firmware else n.network end as value) t
    where t.value <> '' and n.counted_at > $1 and n.counted_at < $1 + interval '3 minutes') as named
from unnest(array['cell', 'postcode_district', 'firmware', 'network']) as a (attribute);

-- name: late_by_council
-- As they were counted last. A council without any is told as nought.
select c.council_id, coalesce(sum(h.late), 0) as late
from registry.council_directory c left join ingest.hearing_count h using (council_id) group by c.council_id;
