-- name: bounds
-- An import may take longer than one device: each wait is bounded nevertheless.
select set_config('statement_timeout', '60s', true), set_config('lock_timeout', '30s', true),
    set_config('idle_in_transaction_session_timeout', '60s', true);

-- name: one_at_a_time
-- Two imports of one file after each other: the second finds that all is there.
select pg_advisory_xact_lock(hashtextextended('registry import', 0));

-- name: councils
select council_id from registry.council;

-- name: devices
select device_id, council_id, serial, model, postcode_district, sim_operator, iccid, installation_ref, replaces_analogue,
    sole_trigger, notes, stage, registered_at, changed_at, live_at, suspended_until, overridden_at, overridden_by,
    override_reason, override_missing, replaced_by
from registry.device where device_id = any($1::text[]);

-- name: lock_devices
-- In the order of their ids, as everybody locks several.
select device_id, council_id, serial, model, postcode_district, sim_operator, iccid, installation_ref, replaces_analogue,
    sole_trigger, notes, stage, registered_at, changed_at, live_at, suspended_until, overridden_at, overridden_by,
    override_reason, override_missing, replaced_by
from registry.device where device_id = any($1::text[]) order by device_id for update;

-- name: serials
select serial, device_id from registry.device where serial = any($1::text[]);

-- name: sims
select iccid, device_id from registry.device where iccid = any($1::text[]) and stage <> 'withdrawn';

-- name: insert_devices
-- Fewer rows than were given: somebody registered one of them since we looked.
insert into registry.device
    (device_id, council_id, serial, model, postcode_district, sim_operator, iccid, installation_ref, replaces_analogue,
    sole_trigger, notes, stage, registered_at, changed_at)
select u.*, $13, $13
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::text[], $12::text[]) as u (device_id, a, b, c, d, e, f, g, h, i, j, k)
order by u.device_id
on conflict do nothing
returning device_id;

-- name: change_devices
update registry.device d
set council_id = u.council_id, serial = u.serial, model = u.model, postcode_district = u.postcode_district,
    sim_operator = u.sim_operator, iccid = u.iccid, installation_ref = u.installation_ref, replaces_analogue = u.replaces_analogue,
    sole_trigger = u.sole_trigger, notes = u.notes, stage = u.stage, changed_at = $13
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::text[], $12::text[])
    as u (device_id, council_id, serial, model, postcode_district, sim_operator, iccid, installation_ref, replaces_analogue, sole_trigger,
    notes, stage)
where d.device_id = u.device_id;

-- name: record_changes
insert into registry.device_change (device_id, at, actor, change, reason, before, after)
select u.device_id, $5, $6, u.change, $7, u.before::jsonb, u.after::jsonb
from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as u (device_id, change, before, after);

-- name: export_page
-- In the order of the ids, page by page: no snapshot is held open for as long as somebody's line takes, and none is there twice.
-- `$2` the councils that the caller may see (null: all), then as in devices_page.
select device_id, council_id, serial, model, postcode_district, sim_operator, iccid, installation_ref, replaces_analogue,
    sole_trigger, notes, stage, registered_at, changed_at, live_at, suspended_until, overridden_at, overridden_by,
    override_reason, override_missing, replaced_by
from registry.device
where device_id > $1
    and ($2::text[] is null or council_id = any($2))
    and ($3::text is null or council_id = $3)
    and ($4::text is null or stage = $4)
    and ($5::text is null or strpos(lower(concat_ws(' ', device_id, serial, model, installation_ref)), lower($5)) > 0)
    and ($6::boolean is null or (overridden_at is not null) = $6)
order by device_id
limit $7;
