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

-- name: answer
update registry.idempotency_key set answered_at = $3, status = $4, headers = $5, answer = $6
where caller = $1 and key = $2 and answered_at is null;

-- name: release
-- Nothing was done: the same key may be tried again at once.
delete from registry.idempotency_key where caller = $1 and key = $2 and answered_at is null;

-- name: forget
delete from registry.idempotency_key where started_at < $1;
