-- name: device_of
-- By its id, or else by its serial; in whatever case they were typed.
select device_id from registry.device where device_id = $1 or serial = $1 or lower(serial) = lower($1) or lower(device_id) = lower($1)
order by device_id = $1 desc, serial = $1 desc limit 1;

-- name: at_work
-- What is on its way to be live in these councils ($1; null: all), what changed last first.
select device_id, serial, model, council_id, stage, changed_at from registry.device
where stage in ('registered', 'claimed', 'installed', 'commissioning') and council_id <> 'canary' and ($1::text[] is null or council_id = any ($1))
order by stage = 'commissioning' desc, changed_at desc, device_id limit 50;

-- name: councils
select council_id, name from registry.council where council_id <> 'canary' and ($1::text[] is null or council_id = any ($1)) order by name;

-- name: models
select model from registry.device_model where model <> 'default' order by model;

-- name: labelled
select device_id, serial, model, council_id from registry.device
where device_id = any ($1) and ($2::text[] is null or council_id = any ($2)) order by array_position($1, device_id);
