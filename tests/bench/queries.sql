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
