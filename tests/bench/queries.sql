-- What the section on the sweep does to its database.

-- name: model
insert into ingest.model (name) values ('Careline 3');

-- name: devices
-- $1 of them, heard within the minute before $2.
insert into ingest.liveness (device_id, council_id, last_heard_at, boot_id, seq, battery_pct, mains, signal_dbm, watched_since, model_id,
    postcode_district, sim_registered, firmware, network, cell_id, sim_operator, mains_changed_at, signal_average, clock_behind_s,
    registered)
select 'TC-' || lpad(n::text, 7, '0'), 'glasgow-city', $2::timestamptz - (n % 60) * interval '1 second', 'boot-' || n, 1, 90, true, -75,
    $2, (select model_id from ingest.model), 'G12', '23410', '4.2.1', 'lte', '310-2231', '23410', $2, -75, 0, true
from generate_series(0, $1::integer - 1) as n;

-- name: hear
update chassis.shard set heard_until = $1 where service = 'ingest';

-- name: beat
-- All but one in a thousand.
update ingest.liveness set last_heard_at = $1, seq = seq + 1 where hashtext(device_id) % 1000 <> 0;

-- name: reference
-- One statement that reads every row once, and finds who was not heard for longest.
select count(*), min(last_heard_at) from ingest.liveness where watched_since is not null and not silent;

-- name: updates
select n_tup_upd as updated, n_tup_hot_upd as hot from pg_stat_user_tables where relid = 'ingest.liveness'::regclass;

-- name: die
-- Devices whose ids' hash lies from $1 to before $2 of all were last heard at $3, or up to $4 later, evenly. How many they are.
with died as (
    update ingest.liveness l set last_heard_at = $3::timestamptz + (h.share - $1) / ($2::double precision - $1) * $4::interval, watched_since = $3::timestamptz - interval '1 day'
    from (select device_id, (hashtext(device_id) + 2147483648) / 4294967296.0::double precision as share from ingest.liveness) h
    where l.device_id = h.device_id and h.share >= $1 and h.share < $2
    returning 1
)
select count(*) from died;

-- name: others
select device_id from ingest.liveness
where (hashtext(device_id) + 2147483648) / 4294967296.0::double precision >= $1
    and (hashtext(device_id) + 2147483648) / 4294967296.0::double precision < $2
limit $3;

-- name: heard
update chassis.shard set heard_until = greatest(heard_until, $1) where service = 'ingest';

-- name: take
-- As alerts takes changes off the log.
delete from chassis.event_log where event_log_id = any (array(
    select event_log_id from chassis.event_log where stream = 'conditions' order by urgency, event_log_id limit $1))
returning (body ->> 'since')::timestamptz as since;

-- name: bare_verdicts
-- The least that a verdict is: a row changed, and a line in the log. How many.
with judged as (
    update ingest.liveness set silent = true, judged_at = now(), verdict_version = verdict_version + 1
    where (hashtext(device_id) + 2147483648) / 4294967296.0::double precision >= $1
        and (hashtext(device_id) + 2147483648) / 4294967296.0::double precision < $2
    returning device_id, council_id, last_heard_at, model_id, firmware, sim_operator, cell_id, network, postcode_district
), entered as (
    insert into chassis.event_log (stream, key, urgency, body, created_at, not_before)
    select 'conditions', device_id, 3, to_jsonb(judged), now(), now() from judged
)
select count(*) from judged;
