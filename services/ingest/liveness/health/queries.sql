-- Devices' own health (services/ingest/domain/health.py has the rule). `health` is an object: ailment -> [stage, since].

-- name: ailing
-- Of the pages after $1 and before $2, up to $5 of those of whom there may be something new. $3: by model, the least signal that it
-- needs; $4: so much more is well. Battery is low at $6 and well at $7, a clock off beyond $8 and right below $9, a path unsteady beyond
-- $10 and steady below $11. Mains are settled unless they changed between $12 and $13. What was only seen may have been seen for long
-- enough by now; a battery may have been reported by its device meanwhile.
with page as materialized (
    select ctid as place, device_id, council_id, coalesce(heard_in, council_id) as heard_in, watched_since, last_heard_at,
        verdict_version, model_id, firmware, network, cell_id, coalesce(sim_operator, sim_registered) as sim_operator, postcode_district,
        mains, mains_changed_at, battery_pct, signal_average, clock_behind_s, path_changes, health
    from ingest.liveness
    where ctid > $1::tid and ctid < $2::tid
        and case when health is null then watched_since is not null and (
            battery_pct <= $6
            or signal_average < ($3::real[])[model_id]
            or clock_behind_s not between -$8::integer and $8
            or path_changes > $10::real
            or (not mains and (mains_changed_at > $12 and mains_changed_at <= $13) is not true))
        else watched_since is null
            or jsonb_path_exists(health, '$.*[0] ? (@ == "seen")')
            or (health ? 'mains_lost' = mains and (mains_changed_at > $12 and mains_changed_at <= $13) is not true)
            or case health -> 'battery_low' ->> 0
                when 'told' then true when 'own' then battery_pct >= $7 else battery_pct <= $6 end
            or case when health ? 'weak_signal'
                then coalesce(signal_average >= ($3::real[])[model_id] + $4::real, ($3::real[])[model_id] is null)
                else signal_average < ($3::real[])[model_id] end
            or case when health ? 'clock_off'
                then abs(clock_behind_s) < $9::integer else clock_behind_s not between -$8::integer and $8 end
            or case when health ? 'path_unsteady' then path_changes < $11::real else path_changes > $10::real end
        end
    limit $5
)
select p.*, p.battery_pct < $7 and coalesce((
        select e.status = 'battery_low' from ingest.alarm_event e
        where e.device_id = p.device_id and e.received_at > $13::timestamptz - interval '7 days'
            and e.kind in ('local_unit', 'power_supply') and e.status in ('battery_low', 'restored')
            and e.peripheral_id is null and not e.test
        order by e.received_at desc limit 1), false) as says_low
from page p;

-- name: store_health
-- Each only if nothing was judged, heard or registered of the device since it was looked at: one row changed, and the verdict is ours.
-- What alerts is told of it is in the same statement ($6 … $9: device, stream, urgency, body). A row that a heartbeat is just updating is
-- passed over, and looked at again.
with told as (
    select * from unnest($1::text[], $2::integer[], $3::timestamptz[], $4::timestamptz[], $5::text[])
    as t (device_id, version, heard_at, watched_since, health)
), mine as materialized (
    select l.device_id from ingest.liveness l join told t using (device_id)
    where l.verdict_version = t.version and l.last_heard_at is not distinct from t.heard_at
        and l.watched_since is not distinct from t.watched_since
    for update of l skip locked
), judged as (
    update ingest.liveness l
    set health = t.health::jsonb, verdict_version = l.verdict_version + 1
    from told t
    where l.device_id = t.device_id and t.device_id in (select device_id from mine)
        and l.verdict_version = t.version and l.last_heard_at is not distinct from t.heard_at
    returning l.device_id
), entered as (
    insert into chassis.event_log (stream, key, urgency, body, created_at, not_before)
    select stream, device_id, urgency, body::jsonb, $10, $10
    from unnest($6::text[], $7::text[], $8::smallint[], $9::text[]) with ordinality as e (device_id, stream, urgency, body, n)
    where device_id in (select device_id from judged)
    order by n
)
select device_id from judged;
