-- name: take_erasures
-- Off the log and into the list, in one statement.
with taken as (
    delete from chassis.event_log where event_log_id in (
        select event_log_id from chassis.event_log where stream = 'erasures-alerts' and not_before <= $1
        order by event_log_id limit 500 for update skip locked)
    returning (body ->> 'erasure_id')::uuid as erasure_id
)
insert into alerts.erasure (erasure_id, told_at) select erasure_id, $1 from taken on conflict do nothing;

-- name: due_erasures
select erasure_id from alerts.erasure where done_at is null order by told_at limit 200;

-- name: erase
select alerts.erase($1, $2);

-- name: erased_some
update alerts.erasure set rows = rows + $2 where erasure_id = $1;

-- name: erasure_done
-- Only once no alarm waits: an open one keeps what its hub needs until it is closed; nor an event that is none yet.
update alerts.erasure e set done_at = $2
where e.erasure_id = $1 and e.done_at is null and not exists (
    select from alerts.alarm a join registry.erasure_directory d on d.erasure_id = e.erasure_id
    where a.device_id = d.device_id and a.state <> 'closed' and a.received_at <= d.asked_at)
and not exists (
    select from chassis.event_log l join registry.erasure_directory d on d.erasure_id = e.erasure_id
    where l.stream = 'alarms' and l.key = d.device_id and l.created_at <= d.asked_at)
returning true;

-- name: erase_contacts
-- What operators wrote when they asked after a device's person in an outage, open or over: that somebody did, and when, stays.
with erased as (
    update alerts.outage_member m set note = null
    from registry.erasure_directory e
    where e.erasure_id = $1 and m.device_id = e.device_id and 'operator_notes' = any (e.what) and m.note is not null
        and m.contacted_at <= e.asked_at
    returning 1
)
select count(*) from erased;

-- name: forget_words
select alerts.forget_words($1, $2);

-- name: forget_canary
-- How much of what the canary's tests left behind.
select alerts.forget_canary($1);
