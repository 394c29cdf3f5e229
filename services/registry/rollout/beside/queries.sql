-- name: is_ours
-- Nobody counts just now, nor has since $1.
select pg_try_advisory_xact_lock(hashtextextended('registry.rollout_now', 0))
    and not exists (select from registry.rollout_now where counted_at > $1);

-- name: count
-- Silent: live, and not heard for longer than the device's model allows. From liveness first, for few are silent: those not heard
-- for as long as the quickest model allows, and only then each one's own model. An analogue unit counts once, whoever replaced
-- it; and if the device went live after the day of the council's figure, for before that the council has counted it itself.
insert into registry.rollout_now as n (council_id, silent, analogue_replaced, counted_at)
select c.council_id, coalesce(s.silent, 0), coalesce(a.replaced, 0), $1
from registry.council c
left join (
    select d.council_id, count(*) as silent
    from ingest.device_liveness l
    join registry.rollout_device d using (device_id)
    join registry.device_expectation e using (device_id)
    where l.last_heard_at < $1::timestamptz - make_interval(secs => (select min(silent_after_s) from registry.device_model))
        and d.stage = 'live' and d.heard and l.last_heard_at < $1::timestamptz - make_interval(secs => e.silent_after_s)
    group by d.council_id
) as s using (council_id)
left join (
    select d.council_id, count(distinct d.replaces_analogue) as replaced
    from registry.device d
    join registry.rollout_device r using (device_id)
    join registry.council k on k.council_id = d.council_id
    where d.replaces_analogue is not null and r.was_live
        and (d.live_at at time zone 'Europe/London')::date > coalesce(
            (k.sources -> 'analogue_units' ->> 'as_of')::date,
            case when k.sources -> 'analogue_units' is null then k.as_of end)
    group by d.council_id
) as a using (council_id)
where c.council_id <> 'canary'
on conflict (council_id) do update
set silent = excluded.silent, analogue_replaced = excluded.analogue_replaced, counted_at = excluded.counted_at;
