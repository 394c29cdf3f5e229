-- name: insert_device
-- No row returned: the id, the serial or the SIM is taken.
insert into registry.device
    (device_id, council_id, serial, model, postcode_district, sim_operator, iccid, installation_ref, replaces_analogue,
    sole_trigger, notes, stage, registered_at, changed_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)
on conflict do nothing
returning device_id, council_id, serial, model, postcode_district, sim_operator, iccid, installation_ref, replaces_analogue,
    sole_trigger, notes, stage, registered_at, changed_at, live_at, suspended_until, overridden_at, overridden_by,
    override_reason, override_missing, replaced_by;

-- name: device
select device_id, council_id, serial, model, postcode_district, sim_operator, iccid, installation_ref, replaces_analogue,
    sole_trigger, notes, stage, registered_at, changed_at, live_at, suspended_until, overridden_at, overridden_by,
    override_reason, override_missing, replaced_by
from registry.device where device_id = $1;

-- name: has_serial
select exists (select from registry.device where serial = $1);

-- name: lock_device
-- One change of a device at a time, each judged by what the one before left.
select device_id, council_id, serial, model, postcode_district, sim_operator, iccid, installation_ref, replaces_analogue,
    sole_trigger, notes, stage, registered_at, changed_at, live_at, suspended_until, overridden_at, overridden_by,
    override_reason, override_missing, replaced_by
from registry.device where device_id = $1 for update;

-- name: lock_devices
-- Several, in the order of their ids, so that no two who do this wait for each other.
select device_id, council_id, serial, model, postcode_district, sim_operator, iccid, installation_ref, replaces_analogue,
    sole_trigger, notes, stage, registered_at, changed_at, live_at, suspended_until, overridden_at, overridden_by,
    override_reason, override_missing, replaced_by
from registry.device where device_id = any($1::text[]) order by device_id for update;

-- name: devices_page
-- `$3` the councils that the caller may see (null: all), `$4` and `$5` council and stage, `$6` text sought in what names a device,
-- `$7` whether it is live on somebody's word.
select device_id, council_id, serial, model, postcode_district, sim_operator, iccid, installation_ref, replaces_analogue,
    sole_trigger, notes, stage, registered_at, changed_at, live_at, suspended_until, overridden_at, overridden_by,
    override_reason, override_missing, replaced_by
from registry.device
where ($1::timestamptz is null or (registered_at, device_id) < ($1, $2::text))
    and ($3::text[] is null or council_id = any($3))
    and ($4::text is null or council_id = $4)
    and ($5::text is null or stage = $5)
    and ($6::text is null or strpos(lower(concat_ws(' ', device_id, serial, model, installation_ref)), lower($6)) > 0)
    and ($7::boolean is null or (overridden_at is not null) = $7)
order by registered_at desc, device_id desc
limit $8;

-- name: change_device
update registry.device
set council_id = $2, serial = $3, model = $4, postcode_district = $5, sim_operator = $6, iccid = $7, installation_ref = $8,
    replaces_analogue = $9, sole_trigger = $10, notes = $11, changed_at = $12
where device_id = $1;

-- name: move_device
update registry.device set stage = $2, changed_at = $3, suspended_until = $4 where device_id = $1;

-- name: put_live
-- The first time live is kept: it is what the rollout counts from. On whose word is of the last time: null when it was proved.
update registry.device
set stage = 'live', changed_at = $2, live_at = coalesce(live_at, $2), overridden_at = case when $3::text is null then null else $2 end,
    overridden_by = $3, override_reason = $4, override_missing = $5
where device_id = $1;

-- name: put_on_word
-- It was proved as another than it is said to be now: live (or suspended) as before, on a word from now on.
update registry.device
set overridden_at = $2, overridden_by = $3, override_reason = $4, override_missing = $5
where device_id = $1;

-- name: stand_in
-- The successor is of the generation after the one whose place it takes ($2).
update registry.device n set generation = o.generation + 1, changed_at = $3
from registry.device o where n.device_id = $1 and o.device_id = $2;

-- name: replace_device
update registry.device set stage = 'withdrawn', replaced_by = $2, suspended_until = null, changed_at = $3 where device_id = $1;

-- name: reinstate
-- On whose word it was live once is history.
update registry.device
set stage = 'registered', changed_at = $2, overridden_at = null, overridden_by = null, override_reason = null, override_missing = null
where device_id = $1;

-- name: is_on_duty
-- It was replaced, and the broker lets it in until its successor is live.
select exists (select from registry.on_duty where device_id = $1);

-- name: relieve
-- It is shut out now.
with relieved as (delete from registry.on_duty where device_id = $1 returning device_id)
update registry.broker_user set version = version + 1 where username in (select device_id from relieved);

-- name: replaces
-- Whose place this device took.
select device_id from registry.device where replaced_by = $1;

-- name: record_change
insert into registry.device_change (device_id, at, actor, change, reason, before, after) values ($1, $2, $3, $4, $5, $6, $7);

-- name: history
-- The last of it, bounded: a device that flaps between stages has no end of it.
select at, actor, change, reason, before, after from registry.device_change
where device_id = $1 order by device_change_id desc limit 200;

-- name: councils_of_hub
select council_id from registry.council_route where hub_id = $1;
