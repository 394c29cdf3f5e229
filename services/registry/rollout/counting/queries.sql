-- name: alone
-- One process counts at a time: lines of one device must be followed in their order.
select pg_try_advisory_xact_lock(hashtextextended('registry.rollout', 0));

-- name: alone_at_last
select pg_advisory_xact_lock(hashtextextended('registry.rollout', 0));

-- name: take_lines
-- The oldest lines that no count holds, with where their devices stand. Taken in the transaction that counts them. A line is
-- written under its device's lock, so that of one device none is visible before an older one.
with taken as (
    delete from registry.rollout_todo
    where device_change_id in (select device_change_id from registry.rollout_todo order by device_change_id limit $1)
    returning device_change_id
)
select c.device_id, c.at, c.after ->> 'stage' as stage, c.after ->> 'council_id' as council_id, c.change = 'heard' as heard,
    coalesce(c.after ->> 'replaced_by', '') <> '' as replaced,
    d.council_id as council_now, r.council_id as was_in, r.stage as was, r.heard as was_heard, r.was_live
from taken
join registry.device_change c using (device_change_id)
join registry.device d using (device_id)
left join registry.rollout_device r using (device_id)
order by c.device_change_id;

-- name: put_standings
insert into registry.rollout_device (device_id, council_id, stage, heard, was_live)
select * from unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::boolean[])
on conflict (device_id) do update
set council_id = excluded.council_id, stage = excluded.stage, heard = excluded.heard, was_live = excluded.was_live;

-- name: add_flows
insert into registry.rollout_week as w (week, council_id, stage, entered, "left", first, replaced)
select * from unnest($1::date[], $2::text[], $3::text[], $4::integer[], $5::integer[], $6::integer[], $7::integer[])
on conflict (week, council_id, stage) do update
set entered = w.entered + excluded.entered, "left" = w."left" + excluded."left", first = w.first + excluded.first,
    replaced = w.replaced + excluded.replaced;

-- name: note_heard
-- Gone live, and heard since: a line of history like any other, once in a device's life. Under the device's lock, as every line
-- is; one that somebody changes just now is noted the next time. `$1` now, `$2` how many at most.
with heard as (
    select d.device_id, l.last_heard_at
    from registry.rollout_device r
    join registry.device d using (device_id)
    join ingest.device_liveness l using (device_id)
    where r.stage = 'live' and not r.heard and d.stage = 'live' and l.last_heard_at >= d.live_at
        and not exists (select from registry.device_change c where c.device_id = d.device_id and c.change = 'heard')
    limit $2
    for update of d skip locked
)
insert into registry.device_change (device_id, at, actor, change, reason, after)
select device_id, $1, 'telecare', 'heard', 'first heard since it went live', jsonb_build_object('last_heard_at', last_heard_at)
from heard;

-- name: forget_weeks
delete from registry.rollout_week;

-- name: forget_standings
delete from registry.rollout_device;

-- name: forget_todo
delete from registry.rollout_todo;

-- name: count_all_again
-- A line that was committed since `forget_todo` is there already.
insert into registry.rollout_todo (device_change_id) select device_change_id from registry.device_change on conflict do nothing;
