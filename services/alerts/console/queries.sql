-- name: look
-- Kept alive; whoever follows is told only when somebody came, or when somebody's word has expired ($5).
with gone as (
    delete from alerts.console_presence where (alarm_id, session_id) in (
        select alarm_id, session_id from alerts.console_presence
        where seen_at < $5 and (alarm_id, session_id) <> ($1, $2)
        for update skip locked)
    returning 1
), seen as (
    insert into alerts.console_presence (alarm_id, session_id, operator, seen_at) values ($1, $2, $3, $4)
    on conflict (alarm_id, session_id) do update set seen_at = excluded.seen_at
    returning xmax = 0 as came
)
select chassis.hint('console_presence', '') where exists (select from gone) or (select came from seen);

-- name: leave
with gone as (delete from alerts.console_presence where alarm_id = $1 and session_id = $2 returning 1)
select chassis.hint('console_presence', '') from gone;

-- name: lookers
-- Of each alarm, the names of others than oneself: an operator with two windows is one person.
select alarm_id, array_agg(distinct operator order by operator) as operators from alerts.console_presence
where alarm_id = any ($1::uuid[]) and operator <> $2 and seen_at >= $3
group by alarm_id;

-- name: board
-- Alarms of one state, between two priorities, most urgent and then oldest first: in the order of index alarm_queue, so that the
-- first hundred of ten thousand are read and no more. What is the asker's business is as in alerts' list_alarms.
select a.*, c.name as council, null::text as record_url_template
from alerts.alarm a left join registry.council_directory c on c.council_id = a.council_id
where a.state = $3 and a.state <> 'closed' and a.priority between $4 and $5
    and ($1::text is null or alerts.concerns(a.alarm_id, a.council_id, $1))
    and ($2::text[] is null or a.council_id = any ($2))
order by a.priority, a.received_at
limit $6;

-- name: board_tests
-- Test alarms are closed when they are born: the newest since $3.
select a.*, c.name as council, null::text as record_url_template
from alerts.alarm a left join registry.council_directory c on c.council_id = a.council_id
where a.test and a.received_at > $3
    and ($1::text is null or alerts.concerns(a.alarm_id, a.council_id, $1))
    and ($2::text[] is null or a.council_id = any ($2))
order by a.received_at desc
limit $4;

-- name: board_closed
-- What was closed last, since $3: for whoever wants to look at one again.
select a.*, c.name as council, null::text as record_url_template
from alerts.alarm a left join registry.council_directory c on c.council_id = a.council_id
where a.state = 'closed' and not a.test and a.priority < 5 and a.closed_at > $3
    and ($1::text is null or alerts.concerns(a.alarm_id, a.council_id, $1))
    and ($2::text[] is null or a.council_id = any ($2))
order by a.closed_at desc
limit $4;

-- name: alarm_card
-- One alarm, and where the hub keeps its own record of the home: $2 the asker's hub, else the first of the council's that has one.
select a.*, c.name as council, (
    select h.record_url_template from registry.hub_directory h
    left join registry.route_directory r on r.hub_id = h.hub_id and r.council_id = a.council_id
    where h.record_url_template is not null and (h.hub_id = $2 or ($2 is null and r.position is not null))
    order by r.position limit 1) as record_url_template
from alerts.alarm a left join registry.council_directory c on c.council_id = a.council_id
where a.alarm_id = $1;

-- name: same_device
-- Other alarms of the same device that are not closed, most urgent first.
select a.*, c.name as council, null::text as record_url_template
from alerts.alarm a left join registry.council_directory c on c.council_id = a.council_id
where a.device_id = $3 and a.alarm_id <> $4 and a.state <> 'closed'
    and ($1::text is null or alerts.concerns(a.alarm_id, a.council_id, $1))
    and ($2::text[] is null or a.council_id = any ($2))
order by a.priority, a.received_at
limit 50;

-- name: device_events
-- What the device sent, newest first; the newest 20, for a box with a stuck button sends thousands.
select body::text as body from alerts.alarm_event where alarm_id = $1 order by transition_id desc limit 20;

-- name: told
-- Who was told of it and what became of that, newest first.
select d.kind, d.hub_id, h.name as hub, d.responder_id is not null as responder, d.state, d.attempts, d.created_at, d.finished_at,
    n.type
from alerts.delivery d
join alerts.notification n on n.transition_id = d.transition_id
left join registry.hub_directory h on h.hub_id = d.hub_id
where d.alarm_id = $1 and d.kind <> 'receipt'
order by d.delivery_id desc limit 50;

-- name: may_see
-- Whether an alarm is the asker's business ($2 a hub, $3 an engineer's councils).
select exists (
    select from alerts.alarm a
    where a.alarm_id = $1
        and ($2::text is null or alerts.concerns(a.alarm_id, a.council_id, $2))
        and ($3::text[] is null or a.council_id = any ($3)));

-- name: hub_name
select name from registry.hub_directory where hub_id = $1;

-- name: council_names
select council_id, name from registry.council_directory where council_id = any ($1::text[]);

-- name: blind_since
-- Since when the devices are not heard, as hubs were told; null: they are.
select began_at from alerts.blindness where ended_at is null and about = 'deaf';

-- name: told_outages
-- Those that are open and that people know of, as they were told last, of the asker's councils ($1 a hub, $2 an engineer's); the
-- widest first.
select o.condition, o.told_attribute, o.told_value, o.told_members, c.name as council
from alerts.outage o left join registry.council_directory c on o.told_attribute = 'council_id' and c.council_id = o.told_value
where o.closed_at is null and o.told_at is not null
    and ($1::text is null or o.councils && array(select r.council_id from registry.route_directory r where r.hub_id = $1))
    and ($2::text[] is null or o.councils && $2)
order by o.told_members desc, o.outage_id;
