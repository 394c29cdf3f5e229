-- What was answered under an Idempotency-Key holds what is about a person for its week, and the reasons in a device's history are
-- free text: an erasure takes both.

-- Whose the answer is; null: kept before this migration, so it may be anybody's, and any erasure takes it.
alter table registry.idempotency_key add column device_ids text[];

-- As in 0015, and with `notes` go the reasons that people gave. What the service and the device say by themselves stays.
create or replace function registry.erase_history(erasure uuid) returns bigint
language sql security definer set search_path = '' as $$
    with wanted as (
        select e.device_id, e.asked_at, e.what from registry.erasure e where e.erasure_id = erasure
    ), erased as (
        update registry.device_change c set
            reason = case when 'notes' = any (w.what) and c.reason is not null and c.change not in ('heard', 'claim_refused')
                then '(erased)' else c.reason end,
            before = c.before || (select coalesce(jsonb_object_agg(k, '(erased)'), '{}') from jsonb_object_keys(c.before) k
                where k = any (w.what) and c.before ->> k is not null),
            after = c.after || (select coalesce(jsonb_object_agg(k, '(erased)'), '{}') from jsonb_object_keys(c.after) k
                where k = any (w.what) and c.after ->> k is not null)
        from wanted w
        where c.device_id = w.device_id and c.at <= w.asked_at
            and (c.before ?| w.what or c.after ?| w.what or ('notes' = any (w.what) and c.reason is not null))
        returning 1
    )
    select count(*) from erased
$$;
