-- name: append
-- The bodies go as text, so that JSON that is already written is not read and written again.
insert into chassis.event_log (stream, key, urgency, body, created_at, not_before)
select stream, key, urgency, body::jsonb, $5, $5
from unnest($1::text[], $2::text[], $3::smallint[], $4::text[]) as entry (stream, key, urgency, body);

-- name: claim_key
-- The key of the most urgent row whose key is due: its oldest row decides that, for nothing overtakes it. One that nobody has
-- tried is due whatever its time says: that was told by the clock of another host. Rows of a key that is being worked are
-- locked, and passed over; so are keys in $3, whose lock another has.
select l.key from chassis.event_log l
where l.stream = $1 and l.key <> all ($3::text[])
    and (
        select h.attempts = 0 or h.not_before <= $2
        from chassis.event_log h where h.stream = l.stream and h.key = l.key order by h.event_log_id limit 1)
order by l.urgency, l.event_log_id
limit 1
for update of l skip locked;

-- name: take_rows
-- The due rows of a key, oldest first and up to the first that is put off, out of the log: if what follows from them fails,
-- so does this. None when another has the key's lock, which is taken by the key and not by its rows: a row that is appended
-- meanwhile must wait for those before it. A bounded number: a long backlog of a key is handled in several transactions.
with taken as (
    delete from chassis.event_log where event_log_id in (
        select event_log_id from chassis.event_log
        where stream = $1 and key = $2 and (select pg_try_advisory_xact_lock(hashtextextended($1 || ':' || $2, 0)))
            and event_log_id < coalesce((
                select min(event_log_id) from chassis.event_log
                where stream = $1 and key = $2 and attempts > 0 and not_before > $3),
                9223372036854775807)
        order by event_log_id limit 50 for update)
    returning event_log_id, key, urgency, body, created_at, attempts
)
select event_log_id, key, urgency, body::text as body, created_at, attempts from taken order by event_log_id;

-- name: rows_of_key
-- As take_rows, and they stay in the log: each is deleted, or put off, by itself.
select event_log_id, key, urgency, body::text as body, created_at, attempts from chassis.event_log
where stream = $1 and key = $2 and (select pg_try_advisory_xact_lock(hashtextextended($1 || ':' || $2, 0)))
    and event_log_id < coalesce((
        select min(event_log_id) from chassis.event_log
        where stream = $1 and key = $2 and attempts > 0 and not_before > $3), 9223372036854775807)
order by event_log_id
limit 50
for update;

-- name: delete_row
-- In the transaction of what followed from it.
delete from chassis.event_log where event_log_id = $1;

-- name: put_off
-- A failed attempt: 0.2 s, doubling to 10 s. The error's name only: its message may hold what a device sent.
update chassis.event_log
set attempts = least(attempts + 1, 32767), last_error = $2,
    not_before = $3::timestamptz + least(0.2 * 2 ^ least(attempts, 10), 10) * interval '1 second'
where event_log_id = $1;
