-- name: take_erasures
-- Off the log and into the list, in one statement.
with taken as (
    delete from chassis.event_log where event_log_id in (
        select event_log_id from chassis.event_log where stream = 'erasures-ingest' and not_before <= $1
        order by event_log_id limit 500 for update skip locked)
    returning (body ->> 'erasure_id')::uuid as erasure_id
)
insert into ingest.erasure (erasure_id, told_at) select erasure_id, $1 from taken on conflict do nothing;

-- name: due_erasures
select erasure_id from ingest.erasure where done_at is null order by told_at limit 20;

-- name: erase_events
-- What the box said in words, in what came until it was asked for. Its identity stays, so that a repeat is still one.
with wanted as (
    select device_id, asked_at from registry.erasure_directory where erasure_id = $1 and 'text' = any (what)
), chosen as (
    select e.event_id from ingest.alarm_event e join wanted w on e.device_id = w.device_id and e.received_at <= w.asked_at
    where e.text is not null or e.raw is not null or not e.location = any ($2::text[])
    limit 500 for update of e
)
update ingest.alarm_event e
set text = null, raw = null, location = case when e.location = any ($2::text[]) then e.location end
from chosen where e.event_id = chosen.event_id
returning e.event_id;

-- name: erase_quarantine
with wanted as (
    select device_id, asked_at from registry.erasure_directory where erasure_id = $1 and 'text' = any (what)
), chosen as (
    select q.quarantine_id from ingest.quarantine q join wanted w on q.device_id = w.device_id and q.received_at <= w.asked_at
    where q.payload <> '' limit 500 for update of q
)
update ingest.quarantine q set payload = '' from chosen where q.quarantine_id = chosen.quarantine_id returning q.quarantine_id;

-- name: erased_some
update ingest.erasure set rows = rows + $2 where erasure_id = $1;

-- name: erasure_done
update ingest.erasure set done_at = $2 where erasure_id = $1 and done_at is null returning true;

-- name: forget_texts
-- Old words, never of an alarm that is not closed.
with chosen as (
    select e.event_id from ingest.alarm_event e
    where e.received_at < $1 and (e.text is not null or e.raw is not null)
        and not exists (select from alerts.open_event o where o.event_id = e.event_id)
    limit 500 for update skip locked
)
update ingest.alarm_event e
set text = null, raw = null, location = case when e.location = any ($2::text[]) then e.location end
from chosen where e.event_id = chosen.event_id
returning e.event_id;

-- name: forget_quarantine
delete from ingest.quarantine where quarantine_id in (
    select quarantine_id from ingest.quarantine where received_at < $1 order by received_at limit 500)
returning quarantine_id;

-- name: drop_heartbeats
-- How many chunks went; null without TimescaleDB.
select ingest.drop_heartbeats($1);

-- name: delete_heartbeats
-- Without TimescaleDB (the embedded default only), and of devices with an absurd clock: some at a time.
delete from ingest.heartbeat h where (h.device_id, h.at, h.boot_id, h.seq, h.council_id) in (
    select o.device_id, o.at, o.boot_id, o.seq, o.council_id from ingest.heartbeat o
    where o.at < $1 and o.received_at < $2 limit $3)
returning 1;

-- name: forget_canary
-- What the canary pressed: tests of its own devices, some at a time.
delete from ingest.alarm_event where event_id = any (array(
    select e.event_id from registry.device_directory d join ingest.alarm_event e on e.device_id = d.device_id
    where d.council_id = 'canary' and e.test and e.received_at < $1 limit 500))
returning event_id;
