-- name: store_alarms
-- Alarm events as they arrived, what alerts is told of the new ones, and that their devices live: one statement, and so one
-- transaction in one round trip. Nothing comes back for a repeat, byte for byte, wherever it was first stored. The same identity
-- with other bytes, stored before or earlier in the batch, is no repeat: it is stored and marked ($21). Without boot_id and seq
-- there is no identity to reuse. Alerts is told in the order of arrival: ids are drawn as the ordered rows are inserted. A row of
-- liveness that a heartbeat is just updating is skipped: the alarm lane waits for nobody, and that heartbeat says the same. An alarm has
-- a number among those of the heartbeats, where its leap is counted, sooner or later, as one that was missed: it was not. What was
-- stored before (rows of this statement it does not see) has come again: a device that has its receipt sends it no more.
with arrived as (
    select * from unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[],
        $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::boolean[],
        $17::text[], $18::bytea[], $19::smallint[], $20::text[], $22::smallint[], $23::boolean[])
    with ordinality as a (event_id, identity, payload_sha256, topic, council_id, device_id, boot_id, seq, sent_at, received_at, kind,
        status, peripheral_id, location, text, test, marks, raw, qos, body, urgency, retained, n)
), marked as (
    select a.*, a.boot_id is not null and (
        a.payload_sha256 <> first_value(a.payload_sha256) over (partition by a.identity order by a.n)
        or exists (select from ingest.alarm_event e where e.identity = a.identity and e.payload_sha256 <> a.payload_sha256)) as reused
    from arrived a
), stored as (
    insert into ingest.alarm_event (event_id, identity, payload_sha256, topic, council_id, device_id, boot_id, seq, sent_at,
        received_at, kind, status, peripheral_id, location, text, test, marks, raw, qos)
    select event_id, identity, payload_sha256, topic, council_id, device_id, boot_id, seq, sent_at, received_at, kind, status,
        peripheral_id, location, text, test, string_to_array(marks, ',') || case when reused then array[$21::text] else '{}' end, raw, qos
    from marked order by n
    on conflict do nothing
    returning event_id, $21::text = any (marks) as reused
), told as (
    insert into chassis.event_log (stream, key, urgency, body, created_at, not_before)
    select 'alarms', m.device_id, m.urgency,
        case when s.reused then jsonb_set(m.body::jsonb, '{marks}', (m.body::jsonb -> 'marks') || to_jsonb($21::text)) else m.body::jsonb end,
        $24, $24
    from stored s
    join (select distinct on (event_id) event_id, device_id, urgency, body, n from marked order by event_id, n) m using (event_id)
    order by m.n
), heard as (
    update ingest.liveness l
    set last_heard_at = greatest(l.last_heard_at, $24),
        missed = l.missed - (select count(*) from stored s join arrived a using (event_id)
            where a.device_id = l.device_id and a.boot_id = l.boot_id)
    where l.device_id in (
        select device_id from ingest.liveness
        where device_id = any (array(select device_id from arrived where not retained)) for update skip locked)
), again as (
    update ingest.alarm_event set repeats = repeats + 1, repeated_at = $24
    where event_id in (
        select event_id from ingest.alarm_event
        where event_id = any (array(select event_id from arrived where not retained)) for update skip locked)
)
select event_id, reused from stored;

-- name: receipt_states
-- How far alarms have come that are repeated. What alerts has not seen yet is not here: it is stored.
select event_id, alarm_id, state from alerts.receipt_state where event_id = any ($1::uuid[]);

-- name: stage_heartbeats
-- Where COPY puts a batch: on each connection its own, emptied by every commit. "C": sorting by id needs no dictionary.
-- `at` is null where it is `sent_at`; all rows of a batch were received at one time, which the statements are told.
create temp table staged_heartbeat (
    device_id text collate "C", council_id text, boot_id text, seq bigint, at timestamptz, sent_at timestamptz,
    battery_pct smallint, mains boolean, signal_dbm smallint, network text, sim_operator text, cell_id text, firmware text,
    temperature_c real, marks text[]
) on commit delete rows;

-- name: apply_heartbeats
-- The hot path. A device's last row of the batch (ctid is the order of arrival in a table filled by one COPY) says how it is;
-- what it did not tell this time stays as it was last told. `missed`: what its numbers leap over within a boot, but for what came in
-- this batch (a leap of more than a million says nothing). Averages fade with the time since it was last heard (in minutes 10 for the
-- signal, 60 for changes of path), as if each reading had lasted until the next; exp() refuses what would be nought. `heard_in`: the council
-- of its topic, where the register has it in another: by that its shard let it through.
with latest as (
    select distinct on (device_id) device_id, council_id, boot_id, seq, sent_at, battery_pct, mains, signal_dbm, network, sim_operator,
        cell_id, firmware, count(*) over (partition by device_id) as came
    from staged_heartbeat order by device_id, ctid desc
), stored as (
    insert into ingest.heartbeat (device_id, council_id, boot_id, seq, at, sent_at, received_at, battery_pct, mains, signal_dbm,
        network, sim_operator, cell_id, firmware, temperature_c, marks)
    select device_id, council_id, boot_id, seq, coalesce(at, sent_at), sent_at, $1, battery_pct, mains, signal_dbm,
        network, sim_operator, cell_id, firmware, temperature_c, marks
    from staged_heartbeat
    on conflict do nothing
    returning 1
), heard as (
    update ingest.liveness l
    set last_heard_at = $1, heard_in = nullif(s.council_id, l.council_id), boot_id = s.boot_id,
        seq = case when s.boot_id = l.boot_id then greatest(s.seq, l.seq) else s.seq end,
        missed = case when s.boot_id = l.boot_id and s.seq - s.came > l.seq
            then least(l.missed + least(s.seq - l.seq - s.came, 1000000), 2000000000) else l.missed end,
        battery_pct = coalesce(s.battery_pct, l.battery_pct),
        mains = coalesce(s.mains, l.mains),
        mains_changed_at = case when s.mains is null or s.mains = l.mains then l.mains_changed_at else $1 end,
        signal_dbm = coalesce(s.signal_dbm, l.signal_dbm),
        signal_average = case
            when s.signal_dbm is null then l.signal_average
            when s.signal_dbm = l.signal_average or l.signal_average is null then s.signal_dbm
            else s.signal_dbm + (l.signal_average - s.signal_dbm)
                * exp(-least(date_part('epoch', $1 - l.last_heard_at) / 600, 100)) end,
        clock_behind_s = coalesce(
            greatest(-1000000000, least(1000000000, date_part('epoch', $1 - s.sent_at))), l.clock_behind_s),
        network = coalesce(s.network, l.network), sim_operator = coalesce(s.sim_operator, l.sim_operator),
        cell_id = coalesce(s.cell_id, l.cell_id), firmware = coalesce(s.firmware, l.firmware),
        path_changes = case
            when s.network is null or l.network is null or s.network = l.network
            then case when l.path_changes < 0.05 then 0
                else l.path_changes * exp(-least(date_part('epoch', $1 - l.last_heard_at) / 3600, 50)) end
            else 1 + l.path_changes * exp(-least(date_part('epoch', $1 - l.last_heard_at) / 3600, 50)) end
    from latest s
    where l.device_id = s.device_id collate "default" and (l.last_heard_at is null or l.last_heard_at <= $1)
    returning 1
)
select (select count(*) from stored) as stored, (select count(*) from heard) as heard, (select count(*) from latest) as devices;

-- name: add_unknown_devices
-- Devices that nobody registered are heard too. Run only when apply_heartbeats heard fewer devices than there were.
insert into ingest.liveness (device_id, council_id, last_heard_at, boot_id, seq, battery_pct, mains, mains_changed_at, signal_dbm)
select distinct on (device_id) device_id, council_id, $1::timestamptz, boot_id, seq, battery_pct, mains,
    case when mains is not null then $1 end,
    signal_dbm
from staged_heartbeat order by device_id, ctid desc
on conflict (device_id) do nothing;

-- name: store_replayed
-- Retained heartbeats that the broker replays to a new session: kept, but no sign of life. Leaves the stage empty.
with replayed as (delete from staged_heartbeat returning *), stored as (
    insert into ingest.heartbeat (device_id, council_id, boot_id, seq, at, sent_at, received_at, battery_pct, mains, signal_dbm,
        network, sim_operator, cell_id, firmware, temperature_c, marks)
    select device_id, council_id, boot_id, seq, coalesce(at, sent_at), sent_at, $1, battery_pct, mains, signal_dbm,
        network, sim_operator, cell_id, firmware, temperature_c, marks
    from replayed
    on conflict do nothing
    returning 1
)
select count(*) from stored;

-- name: quarantine
-- Raw, with its reason, for whoever must find out what a device means.
insert into ingest.quarantine (lane, topic, council_id, device_id, reason, payload, received_at) values ($1, $2, $3, $4, $5, $6, $7);

-- name: hear
-- Signs of life that are no heartbeat and came as one does: a quarantined message, a device that says it is online.
insert into ingest.liveness as l (device_id, council_id, last_heard_at)
select device_id, council_id, $3 from unnest($1::text[], $2::text[]) as heard (device_id, council_id) order by device_id
on conflict (device_id) do update
set last_heard_at = greatest(l.last_heard_at, excluded.last_heard_at), heard_in = nullif(excluded.council_id, l.council_id);

-- name: note_hints
-- Retained and will messages: when something was last said of the device, never that it lives.
update ingest.liveness set reported_at = greatest(reported_at, $2) where device_id = any ($1::text[]);

-- name: take_registrations
-- Off the log: whom the registry told of.
delete from chassis.event_log where event_log_id in (
    select event_log_id from chassis.event_log where stream = 'devices' and not_before <= $1
    order by event_log_id limit $2 for update skip locked
) returning key;

-- name: add_models
-- Those that were never met before. In a statement before the next, which so sees what another process added meanwhile.
insert into ingest.model (name)
select min(w.model) from registry.watch_directory w
where w.device_id = any ($1::text[]) and not exists (select from ingest.model m where lower(m.name) = lower(w.model))
group by lower(w.model)
on conflict do nothing;

-- name: know_registered
-- Each registered device gets its liveness row before its first heartbeat, which then is an update. The directory says how it is
-- now, so the order in which changes are taken does not matter. A device that the register moves to another council is heard where it was
-- until it says otherwise. Whoever sweeps is told that something may be due sooner than it was.
with known as (
    insert into ingest.liveness as l
        (device_id, council_id, registered, watched_since, model_id, postcode_district, sim_registered)
    select w.device_id, w.council_id, true, w.watched_since, m.model_id, w.postcode_district, w.sim_operator
    from registry.watch_directory w join ingest.model m on lower(m.name) = lower(w.model)
    where w.device_id = any ($1::text[])
    order by w.device_id
    on conflict (device_id) do update
    set council_id = excluded.council_id, registered = true, watched_since = excluded.watched_since, model_id = excluded.model_id,
        postcode_district = excluded.postcode_district, sim_registered = excluded.sim_registered,
        heard_in = nullif(coalesce(l.heard_in, case when l.boot_id is not null or not l.registered then l.council_id end), excluded.council_id)
    where (l.council_id, l.registered, l.watched_since, l.model_id, l.postcode_district, l.sim_registered) is distinct from
        (excluded.council_id, true, excluded.watched_since, excluded.model_id, excluded.postcode_district, excluded.sim_registered)
    returning 1
)
update ingest.sweep set registrations = registrations + (select count(*) from known) where exists (select from known);

-- name: ping
-- Whether the database answers.
select 1;
