-- name: reserve
-- Ours to answer: a key that is new. No row returned: somebody had it before.
insert into registry.idempotency_key (caller, key, sha256, started_at) values ($1, $2, $3, $4)
on conflict do nothing returning started_at;

-- name: find
select sha256, started_at, status, headers, answer from registry.idempotency_key where caller = $1 and key = $2;

-- name: take_over
-- Whoever was answering it is gone: without an answer since $4.
update registry.idempotency_key set started_at = $3
where caller = $1 and key = $2 and answered_at is null and started_at <= $4 returning started_at;

-- name: hold_devices
-- In their order, so that two who hold several never wait for each other.
select from registry.device where device_id = any ($1::text[]) order by device_id for share;

-- name: answer
update registry.idempotency_key k set answered_at = $3, status = $4, headers = $5, device_ids = $7, answer = case
    when exists (select from registry.erasure e where e.device_id = any ($7::text[]) and e.asked_at >= k.started_at
        and e.what && array['installation_ref', 'notes']) then $8::bytea else $6::bytea end
where caller = $1 and key = $2 and answered_at is null;

-- name: release
-- Nothing was done: the same key may be tried again at once.
delete from registry.idempotency_key where caller = $1 and key = $2 and answered_at is null;

-- name: forget
delete from registry.idempotency_key where started_at < $1;
