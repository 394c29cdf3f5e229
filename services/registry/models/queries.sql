-- name: models_page
-- In order of their names, `default` among them.
select model, heartbeat_interval_s, late_after_missed, silent_after_s, battery_hours, signal_dbm_min, paths, triggers, changed_at, changed_by
from registry.device_model where $1::text is null or model > $1 order by model limit $2;

-- name: model
-- Names are compared without regard to case, as those of devices are.
select model, heartbeat_interval_s, late_after_missed, silent_after_s, battery_hours, signal_dbm_min, paths, triggers, changed_at, changed_by
from registry.device_model where lower(model) = lower($1);

-- name: put_model
-- Another way to write the name is the same model, and is how it is written from now on; but `default` is always so.
insert into registry.device_model
    (model, heartbeat_interval_s, late_after_missed, silent_after_s, battery_hours, signal_dbm_min, paths, triggers, changed_at, changed_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (lower(model)) do update
set model = case when device_model.model = 'default' then 'default' else excluded.model end,
    heartbeat_interval_s = excluded.heartbeat_interval_s, late_after_missed = excluded.late_after_missed,
    silent_after_s = excluded.silent_after_s, battery_hours = excluded.battery_hours, signal_dbm_min = excluded.signal_dbm_min,
    paths = excluded.paths, triggers = excluded.triggers, changed_at = excluded.changed_at, changed_by = excluded.changed_by;

-- name: delete_model
-- Its devices are judged by `default` from now on, which stays.
delete from registry.device_model where lower(model) = lower($1) and model <> 'default';
