-- name: insert_erasure
insert into registry.erasure (erasure_id, device_id, what, reason, asked_by, asked_at) values ($1, $2, $3, $4, $5, $6);

-- name: erase_device
-- The register's own values. No line of history: the erasure is one itself.
update registry.device set
    installation_ref = case when 'installation_ref' = any ($2::text[]) then null else installation_ref end,
    notes = case when 'notes' = any ($2::text[]) then null else notes end,
    override_reason = case when 'notes' = any ($2::text[]) and override_reason is not null then '(erased)' else override_reason end
where device_id = $1;

-- name: erase_answers
-- What was answered of this device under a key. The key stays: the same request again is not done again, and so does not write back
-- what is erased.
update registry.idempotency_key set answer = $3
where answered_at is not null and $2::text[] && array['installation_ref', 'notes'] and (device_ids is null or $1 = any (device_ids));

-- name: erase_history
select registry.erase_history($1);

-- name: erasures
-- Newest first, each with how far ingest and alerts are; null where the service has not been told yet.
select e.erasure_id, e.device_id, e.what, e.reason, e.asked_by, e.asked_at, i.done_at as ingest_done_at, a.done_at as alerts_done_at,
    a.waits_for
from registry.erasure e
left join ingest.erasure_progress i using (erasure_id)
left join alerts.erasure_progress a using (erasure_id)
where e.device_id = $1 and ($2::timestamptz is null or (e.asked_at, e.erasure_id) < ($2, $3::uuid))
order by e.asked_at desc, e.erasure_id desc
limit $4;
