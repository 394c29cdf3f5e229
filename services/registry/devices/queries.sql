-- name: insert_device
-- No row returned: the id or the serial is taken.
insert into registry.device
    (device_id, council_id, serial, model, postcode_district, sim_operator, installation_ref, stage, registered_at, changed_at)
values ($1, $2, $3, $4, $5, $6, $7, 'registered', $8, $8)
on conflict do nothing
returning device_id, council_id, serial, model, postcode_district, sim_operator, installation_ref, sole_trigger, stage,
    registered_at, changed_at, live_at;

-- name: device
select device_id, council_id, serial, model, postcode_district, sim_operator, installation_ref, sole_trigger, stage,
    registered_at, changed_at, live_at
from registry.device where device_id = $1;

-- name: lock_device
-- One change of a device at a time, each judged by what the one before left.
select device_id, council_id, serial, model, postcode_district, sim_operator, installation_ref, sole_trigger, stage,
    registered_at, changed_at, live_at
from registry.device where device_id = $1 for update;

-- name: devices_page
-- `$3` the councils that the caller may see (null: all), `$4` and `$5` council and stage, `$6` text sought in what names a device.
select device_id, council_id, serial, model, postcode_district, sim_operator, installation_ref, sole_trigger, stage,
    registered_at, changed_at, live_at
from registry.device
where ($1::timestamptz is null or (registered_at, device_id) < ($1, $2::text))
    and ($3::text[] is null or council_id = any($3))
    and ($4::text is null or council_id = $4)
    and ($5::text is null or stage = $5)
    and ($6::text is null or strpos(lower(concat_ws(' ', device_id, serial, model, installation_ref)), lower($6)) > 0)
order by registered_at desc, device_id desc
limit $7;

-- name: change_device
update registry.device
set council_id = $2, serial = $3, model = $4, postcode_district = $5, sim_operator = $6, installation_ref = $7, sole_trigger = $8,
    changed_at = $9
where device_id = $1;

-- name: move_device
-- The first time live is kept: it is what the rollout counts from.
update registry.device
set stage = $2, changed_at = $3, live_at = case when $2 = 'live' then coalesce(live_at, $3) else live_at end
where device_id = $1;

-- name: record_change
insert into registry.device_change (device_id, at, actor, change, reason, before, after) values ($1, $2, $3, $4, $5, $6, $7);

-- name: history
-- The last of it, bounded: a device that flaps between stages has no end of it.
select at, actor, change, reason, before, after from registry.device_change
where device_id = $1 order by device_change_id desc limit 200;

-- name: councils_of_hub
select council_id from registry.council_route where hub_id = $1;
