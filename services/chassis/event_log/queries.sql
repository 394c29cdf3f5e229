-- name: append
-- The bodies go as text, so that JSON that is already written is not read and written again.
insert into chassis.event_log (stream, key, urgency, body, created_at, not_before)
select stream, key, urgency, body::jsonb, $5, $5
from unnest($1::text[], $2::text[], $3::smallint[], $4::text[]) as entry (stream, key, urgency, body);

-- name: take_rows
-- The most urgent row whose key is due says which key: its oldest row decides that, for nothing overtakes it. One that nobody has
-- tried is due whatever its time says: that was told by the clock of another host. Rows of a key that is being worked are locked,
-- and passed over; so are keys in $3, and rows less urgent than $4. Then that key's due rows, oldest first and up to the first that is put off, out of the log:
-- if what follows from them fails, so does this. A key alone comes back when another has its lock, which is taken by the key and
-- not by its rows: a row that is appended meanwhile must wait for those before it. A bounded number: a long backlog of a key is
-- handled in several transactions. What the lock's last holder did just now may not be seen yet: rows that are gone are passed
-- over, and one that was put off is tried again at once, before those behind it. The commit of what follows need not wait for the
-- disk: a row is here because it was committed by whoever told it, and what a crash of the database takes back it takes back with
-- the row's deletion, so that it is handled again; and whatever is committed with a wait later on takes this with it to the disk.
-- A claimer's connection plans this anew each time, and nothing after it: the log is nearly always empty, and what was planned for
-- an empty table took 20 s for each claim when 10,000 rows came at once.
with quiet as materialized (
    select set_config('synchronous_commit', 'off', true), set_config('plan_cache_mode', 'auto', true)
), chosen as materialized (
    select l.key from quiet, chassis.event_log l
    where l.stream = $1 and l.urgency <= $4 and l.key <> all ($3::text[])
        and (
            select h.attempts = 0 or h.not_before <= $2
            from chassis.event_log h where h.stream = l.stream and h.key = l.key order by h.event_log_id limit 1)
    order by l.urgency, l.event_log_id
    limit 1
    for update of l skip locked
), ours as materialized (
    select key from chosen where pg_try_advisory_xact_lock(hashtextextended($1 || ':' || key, 0))
), due as (
    select e.event_log_id from chassis.event_log e
    where e.stream = $1 and e.key = (select key from ours)
        and e.event_log_id < coalesce((
            select min(p.event_log_id) from chassis.event_log p
            where p.stream = $1 and p.key = (select key from ours) and p.attempts > 0 and p.not_before > $2),
            9223372036854775807)
    order by e.event_log_id limit 50 for update
), taken as (
    delete from chassis.event_log where event_log_id in (select event_log_id from due)
    returning event_log_id, key, urgency, body, created_at, attempts
)
select chosen.key, t.event_log_id, t.urgency, t.body::text as body, t.created_at, t.attempts
from chosen left join taken t using (key)
order by t.event_log_id;

-- name: any_row
-- Whether a claim may find something: without locks, so what another is at right now counts too.
select coalesce((select urgency <= $2 from chassis.event_log where stream = $1 order by urgency limit 1), false) as any_row;

-- name: rows_of_key
-- As take_rows, and they stay in the log: each is deleted, or put off, by itself.
with chosen as materialized (
    select l.key from chassis.event_log l
    where l.stream = $1 and l.urgency <= $4 and l.key <> all ($3::text[])
        and (
            select h.attempts = 0 or h.not_before <= $2
            from chassis.event_log h where h.stream = l.stream and h.key = l.key order by h.event_log_id limit 1)
    order by l.urgency, l.event_log_id
    limit 1
    for update of l skip locked
), ours as materialized (
    select key from chosen where pg_try_advisory_xact_lock(hashtextextended($1 || ':' || key, 0))
), due as (
    select e.event_log_id from chassis.event_log e
    where e.stream = $1 and e.key = (select key from ours)
        and e.event_log_id < coalesce((
            select min(p.event_log_id) from chassis.event_log p
            where p.stream = $1 and p.key = (select key from ours) and p.attempts > 0 and p.not_before > $2),
            9223372036854775807)
    order by e.event_log_id limit 50 for update
)
select chosen.key, e.event_log_id, e.urgency, e.body::text as body, e.created_at, e.attempts
from chosen left join (chassis.event_log e join due using (event_log_id)) using (key)
order by e.event_log_id;

-- name: delete_row
-- In the transaction of what followed from it.
delete from chassis.event_log where event_log_id = $1;

-- name: put_off
-- A failed attempt: 0.2 s, doubling to 10 s. The error's name only: its message may hold what a device sent.
update chassis.event_log
set attempts = least(attempts + 1, 32767), last_error = $2,
    not_before = $3::timestamptz + least(0.2 * 2 ^ least(attempts, 10), 10) * interval '1 second'
where event_log_id = $1;
