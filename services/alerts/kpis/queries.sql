-- name: interpreted
-- For this transaction. The plan of `kpis` is priced by guesses at how often its look-ups run; PostgreSQL would spend seconds on
-- compiling what then runs for a tenth of one (measured: 3.7 s and 0.1 s).
select set_config('jit', 'off', true);

-- name: kpis
-- The calls of a month ($1 to $2) as they are told at $3, in one look: in all, and by council, hub and priority; with what is no
-- call. $4 a hub, $5 an engineer's councils; $6, $7 the targets' seconds; $8 the percentiles.
-- The month's transitions are read by index (transition_at). What lies outside of it is looked up, by index too, for the few
-- alarms that need it: those that were there before, and those that still waited when the month ended.
with happened as (
    select t.alarm_id, t.transition_id, t.at, t.event, t.priority, t.hub_id,
        case when t.state = 'open' then t.priority <= 2 end as waits,       -- true: a call waits; false: an alarm that is no call
        lag(t.transition_id) over story as before,
        lag(case when t.state = 'open' then t.priority <= 2 end) over story as waited
    from alerts.transition t
    where t.at >= $1 and t.at < $2
    window story as (partition by t.alarm_id order by t.transition_id)
), story as (
    select h.alarm_id, h.transition_id, h.at, h.event, h.priority, h.hub_id, h.waits,
        case when h.before is null and h.event <> 'raised' then (
            select case when p.state = 'open' then p.priority <= 2 end from alerts.transition p
            where p.alarm_id = h.alarm_id and p.transition_id < h.transition_id order by p.transition_id desc limit 1
        ) else h.waited end as waited
    from happened h
), turns as (                                                               -- it began to wait, or waits no longer
    select s.*, lead(s.at) over turn as ended_at, lead(s.event) over turn as ended_by, lead(s.priority) over turn as ended_as,
        lead(s.hub_id) over turn as ended_at_hub
    from story s
    where s.waits is distinct from s.waited
    window turn as (partition by s.alarm_id order by s.transition_id)
), sorted as (
    select t.alarm_id, t.transition_id, 'call' as sort, t.event, t.at, coalesce(t.ended_as, later.priority) as priority,
        coalesce(t.ended_at_hub, later.hub_id) as hub_id,
        case when coalesce(t.ended_by, later.event) in ('acknowledged', 'closed')
            then greatest(extract(epoch from coalesce(t.ended_at, later.at) - t.at), 0)::float8 end as waited_s
    from turns t
    left join lateral (
        select n.at, n.event, n.priority, n.hub_id from alerts.transition n
        where t.ended_at is null and n.alarm_id = t.alarm_id and n.transition_id > t.transition_id and n.state <> 'open'
        order by n.transition_id limit 1
    ) later on true
    where t.waits
    union all
    select alarm_id, transition_id,
        case when event = 'test_received' then 'test'
             when not waits and waits is distinct from waited then 'priority ' || priority
             when event = 'repeated' then 'repeat'
             else 'priority 5' end,
        event, at, priority, null, null
    from story
    where event = 'test_received'
        or (not waits and waits is distinct from waited)
        or (event = 'repeated' and waits is not distinct from waited)
        or (event in ('restored', 'cancelled') and priority = 5)
), calls as (                                                               -- `limit 1`: looked up, not joined with all of the years
    select s.sort, s.at - own.before as at, coalesce(s.priority, a.priority) as priority, a.council_id,
        s.waited_s + extract(epoch from own.before)::float8 as waited_s, coalesce(s.hub_id, (
        select d.hub_id from alerts.delivery d
        where d.alarm_id = s.alarm_id and d.hub_id is not null and d.transition_id >= s.transition_id
        order by d.transition_id, d.delivery_id limit 1)) as hub_id
    from sorted s
    cross join lateral (select council_id, priority, received_at from alerts.alarm where alarm_id = s.alarm_id limit 1) a
    -- A press that lay with us before it was decided on has waited since it was received.
    cross join lateral (
        select case when s.event = 'raised' then greatest(s.at - a.received_at, interval '0') else interval '0' end as before) own
    where ($5::text[] is null or a.council_id = any ($5)) and a.council_id is distinct from 'canary'
)
select
    case grouping(council_id, hub_id, priority) when 3 then 'council' when 5 then 'hub' when 6 then 'priority' else 'all' end as dimension,
    case grouping(council_id, hub_id, priority) when 3 then coalesce(council_id, '') when 5 then coalesce(hub_id, '')
        when 6 then priority::text else '' end as key,
    count(*) filter (where sort = 'call') as waits,
    count(waited_s) as answered,
    count(*) filter (where waited_s <= $6::int) as within_first,
    count(*) filter (where waited_s <= $7::int) as within_last,
    count(*) filter (where sort = 'call' and waited_s is null and at + $7::int * interval '1 second' < $3) as not_answered,
    percentile_disc($8::float8[]) within group (order by waited_s) filter (where waited_s is not null) as percentiles_s,
    count(*) filter (where sort = 'test') as tests,
    count(*) filter (where sort = 'repeat') as repeats,
    count(*) filter (where sort = 'priority 3') as priority_3,
    count(*) filter (where sort = 'priority 4') as priority_4,
    count(*) filter (where sort = 'priority 5') as priority_5
from calls
where $4::text is null or hub_id = $4
group by grouping sets ((), (council_id), (hub_id), (priority))
having grouping(council_id, hub_id, priority) = 7 or count(*) filter (where sort = 'call') > 0
order by 1, 2;

-- name: names
-- What people call the councils and the hubs.
select 'council' as dimension, council_id as key, name from registry.council_directory
union all
select 'hub', hub_id, name from registry.hub_directory;
