-- What is about a person is erased on request; what happened, when, and who did it stays. Each service erases in its own schema: it
-- is told by the event log, and may erase only what stands here.
create table registry.erasure (
    erasure_id        uuid primary key,
    device_id         text not null references registry.device,
    what              text[] not null check (cardinality(what) > 0 and what <@ array['installation_ref', 'notes', 'text', 'operator_notes']),
    reason            text not null check (length(reason) between 1 and 500),
    asked_by          text not null,
    asked_at          timestamptz not null      -- what came later is not meant
);
create index erasure_device on registry.erasure (device_id, asked_at desc);
grant select, insert on registry.erasure to telecare_registry;

-- Published view.
create view registry.erasure_directory as select erasure_id, device_id, what, asked_at from registry.erasure;
grant select on registry.erasure_directory to telecare_ingest, telecare_alerts;

-- A history is only added to, but for this: values that are about a person give way to a word. By its owner's right, and only for
-- an erasure that was asked for. That something was changed, when, and by whom stays.
create function registry.erase_history(erasure uuid) returns bigint language sql security definer set search_path = '' as $$
    with wanted as (
        select e.device_id, e.asked_at, e.what from registry.erasure e where e.erasure_id = erasure
    ), erased as (
        update registry.device_change c set
            before = c.before || (select coalesce(jsonb_object_agg(k, '(erased)'), '{}') from jsonb_object_keys(c.before) k
                where k = any (w.what) and c.before ->> k is not null),
            after = c.after || (select coalesce(jsonb_object_agg(k, '(erased)'), '{}') from jsonb_object_keys(c.after) k
                where k = any (w.what) and c.after ->> k is not null)
        from wanted w
        where c.device_id = w.device_id and c.at <= w.asked_at and (c.before ?| w.what or c.after ?| w.what)
        returning 1
    )
    select count(*) from erased
$$;
revoke execute on function registry.erase_history from public;
grant execute on function registry.erase_history to telecare_registry;
