-- Erasures that ingest was told of, and what is kept how long.
create table ingest.erasure (
    erasure_id  uuid primary key,
    told_at     timestamptz not null,
    done_at     timestamptz,
    rows        bigint not null default 0
);
create index erasure_due on ingest.erasure (told_at) where done_at is null;
grant select, insert, update on ingest.erasure to telecare_ingest;
create view ingest.erasure_progress as select erasure_id, done_at, rows from ingest.erasure;
grant select on ingest.erasure_progress to telecare_registry;

-- What still holds a text or raw bytes, which few do: so it is found by its age, and by nothing else.
create index alarm_event_said on ingest.alarm_event (received_at) where text is not null or raw is not null;
create index quarantine_device on ingest.quarantine (device_id) where device_id is not null;

-- Heartbeats go by whole chunks, which takes the owner's right; never what is younger than a week, whatever it is told. Those of
-- devices with an absurd clock (filed in 1970) are no chunk's business: they are deleted by when they were received. Null: this
-- database has no TimescaleDB, and rows are deleted instead.
create function ingest.drop_heartbeats(before timestamptz) returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    home text;
    dropped bigint;
begin
    select n.nspname into home from pg_extension x join pg_namespace n on n.oid = x.extnamespace where x.extname = 'timescaledb';
    if home is null then
        return null;
    end if;
    execute format('select count(*) from %I.drop_chunks(''ingest.heartbeat''::regclass, older_than => $1, newer_than => $2)', home)
        into dropped using least(before, now() - interval '7 days'), timestamptz '2001-01-01';
    return dropped;
end $$;
revoke execute on function ingest.drop_heartbeats from public;
grant execute on function ingest.drop_heartbeats to telecare_ingest;
