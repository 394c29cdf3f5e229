-- name: alarms
-- By priority the alarm that has been due for longest, and any that nobody will look at again within a day: without a `wake_at`
-- (its CHECK is gone), or decided by a clock that was far ahead. Both by the ends of the index alarm_wake.
select p.priority,
    (select wake_at from alerts.alarm where priority = p.priority and state <> 'closed' and wake_at is not null
     order by wake_at limit 1) as due_since,
    (select changed_at from alerts.alarm
     where priority = p.priority and state <> 'closed' and wake_at > $1::timestamptz + interval '1 day 1 minute'
     order by wake_at desc limit 1) as far_off,
    (select changed_at from alerts.alarm where priority = p.priority and state <> 'closed' and wake_at is null limit 1) as forgotten
from generate_series(1, 5) as p (priority);

-- name: events
-- The oldest row of these streams ($1), by urgency: the next in the index event_log_claim from each of its places on (asked for by
-- equality, the planner walks along the primary key, past a whole backlog). One that is put off counts too: its fifth failure, six
-- seconds after the first, hands it to whoever sees to it in another way, so that none is here for long.
select min(next.created_at)
from unnest($1::text[]) as s (stream)
cross join generate_series(1, 5) as u (urgency)
cross join lateral (
    select stream, created_at from chassis.event_log
    where (stream, urgency, event_log_id) >= (s.stream, u.urgency::smallint, 0)
    order by stream, urgency, event_log_id
    limit 1) next
where next.stream = s.stream;

-- name: deliveries
-- By priority the delivery that has been due for longest, on ways where nothing is being sent right now. A hub that hangs holds
-- as many sends as one may, and the others wait behind them: that is its channel's failure, and not ours. Being sent are the
-- first of a way, so that only those need looking at.
with recursive ways as (
    (select way from alerts.delivery where state = 'pending' order by way limit 1)
    union all
    select (select d.way from alerts.delivery d where d.state = 'pending' and d.way > w.way order by d.way limit 1)
    from ways w where w.way is not null
), idle as materialized (
    select w.way from ways w
    where w.way is not null and not exists (
        select from generate_series(1, 5) as p (priority)
        cross join lateral (
            select leased_until from alerts.delivery where state = 'pending' and way = w.way and priority = p.priority
            order by due_at limit 64) front
        where front.leased_until between clock_timestamp() and clock_timestamp() + interval '1 minute')
)
select p.priority, min(first.due_at) as due_since
from idle
cross join generate_series(1, 5) as p (priority)
cross join lateral (
    select due_at from alerts.delivery where state = 'pending' and way = idle.way and priority = p.priority order by due_at limit 1) first
group by p.priority;
