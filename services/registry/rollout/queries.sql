-- name: councils
-- Everything that is counted of each council, in one statement and so of one moment: what the register has, by stage, over the
-- index on (council_id, stage) alone; what the weeks come to; open faults of registered devices, by the device's stage.
select c.council_id, c.name, c.telecare_users, c.analogue_units, c.target, c.target_date, c.source, c.as_of, c.sources,
    coalesce(s.stages, '{}') as stages, coalesce(w.counted, '{}') as counted, coalesce(f.faults, '{}') as faults,
    coalesce(o.overridden, 0) as overridden, coalesce(n.silent, 0) as silent,
    coalesce(n.analogue_replaced, 0) as analogue_replaced, n.counted_at
from registry.council c
left join (
    select council_id, jsonb_object_agg(stage, devices) as stages
    from (select council_id, stage, count(*) as devices from registry.device group by council_id, stage) as stage
    group by council_id
) as s using (council_id)
left join (
    select council_id, jsonb_object_agg(stage, devices) as counted
    from (select council_id, stage, sum(entered - "left") as devices from registry.rollout_week group by council_id, stage) as week
    group by council_id
) as w using (council_id)
left join (
    select council_id, jsonb_object_agg(stage, jsonb_build_array(unprotected, degraded)) as faults
    from (select d.council_id, d.stage, count(*) filter (where priority = 3) as unprotected,
              count(*) filter (where priority = 4) as degraded
          from alerts.open_fault a join registry.device d using (device_id)
          group by d.council_id, d.stage) as fault
    group by council_id
) as f using (council_id)
left join (
    select council_id, count(*) as overridden from registry.device
    where overridden_at is not null and stage in ('live', 'suspended') group by council_id
) as o using (council_id)
left join registry.rollout_now n using (council_id)
where c.council_id <> 'canary'
order by c.council_id;

-- name: not_counted_yet
-- Bounded: after an upgrade it may be all history.
select count(*) from (select from registry.rollout_todo limit 10001) as todo;

-- name: live_by_week
-- The country's, from the first week in which a device was live to $1; the weeks in which nothing happened too.
select w.week, coalesce(sum(r.entered - r."left"), 0)::integer as net
from (select first + n * 7 as week
      from (select min(week) as first from registry.rollout_week where stage = 'live') as f,
          generate_series(0, ($1::date - first) / 7) as n) as w
left join registry.rollout_week r on r.week = w.week and r.stage = 'live'
group by w.week order by w.week;

-- name: history
-- Weeks from $1 to $2 of the councils of $3 (null: all). What there was before them is summed first.
with before as (
    select council_id, stage, sum(entered - "left") as devices
    from registry.rollout_week
    where week < $1::date and ($3::text is null or council_id = $3)
    group by council_id, stage
), place as (
    select council_id, stage from before
    union
    select council_id, stage from registry.rollout_week
    where week between $1 and $2::date and ($3::text is null or council_id = $3)
)
select w.week, p.council_id, p.stage,
    (coalesce(b.devices, 0) + sum(coalesce(r.entered - r."left", 0))
        over (partition by p.council_id, p.stage order by w.week))::integer as devices,
    coalesce(r.entered, 0) as entered, coalesce(r."left", 0) as "left", coalesce(r.first, 0) as first,
    coalesce(r.replaced, 0) as replaced
from (select $1::date + n * 7 as week from generate_series(0, ($2 - $1) / 7) as n) as w
cross join place as p
left join before b using (council_id, stage)
left join registry.rollout_week r on (r.week, r.council_id, r.stage) = (w.week, p.council_id, p.stage)
where p.council_id <> 'canary'
order by w.week desc, p.council_id, p.stage;

-- name: first_week
select min(week) from registry.rollout_week;

-- name: programme
select target, target_date, source, set_at, set_by from registry.programme order by programme_id desc limit 1;

-- name: programme_history
select target, target_date, source, set_at, set_by from registry.programme order by programme_id desc limit 500;

-- name: one_aim_at_a_time
-- So that the same again adds nothing, though two ask at once.
select pg_advisory_xact_lock(hashtextextended('registry.programme', 0));

-- name: set_programme
insert into registry.programme (target, target_date, source, set_at, set_by) values ($1, $2, $3, $4, $5);
