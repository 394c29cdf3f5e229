-- What every service stands on: its role, the event log between services, and the leases of MQTT sessions.
-- One schema and one role per service: a service writes only its own schema, and reads another's published views.

do $$
declare name text;
begin
    foreach name in array array['telecare_ingest', 'telecare_alerts', 'telecare_registry'] loop
        if not exists (select from pg_roles where rolname = name) then
            begin
                execute format('create role %I nologin', name);
            exception when duplicate_object or unique_violation then null;  -- another database of this cluster made it just now
            end;
        end if;
        -- The login role becomes the service's role at every connect, so it must be a member of it.
        if not pg_has_role(current_user, name, 'member') then
            execute format('grant %I to current_user', name);
        end if;
    end loop;
end $$;

create schema chassis;
grant usage on schema chassis to telecare_ingest, telecare_alerts, telecare_registry;

-- The event log. A row is written in the transaction that stores the fact it tells of; it is claimed by the row lock of the
-- very transaction that decides what follows, and deleted there. A crash anywhere leaves it, or leaves what followed.
create table chassis.event_log (
    event_log_id  bigint generated always as identity primary key,
    stream        text not null,                                   -- who consumes it: 'alarms', 'devices'
    key           text not null,                                   -- rows of one key are handled in id order, by one at a time
    urgency       smallint not null check (urgency between 1 and 5),
    body          jsonb not null,
    created_at    timestamptz not null,
    not_before    timestamptz not null,                            -- moved on by a failed attempt
    attempts      smallint not null default 0 check (attempts >= 0),
    last_error    text
);
create index event_log_claim on chassis.event_log (stream, urgency, event_log_id);
create index event_log_key on chassis.event_log (stream, key, event_log_id);
grant select, insert, update, delete on chassis.event_log to telecare_ingest, telecare_alerts, telecare_registry;

create function chassis.tell_event_log() returns trigger language plpgsql as $$
begin
    perform pg_notify('event_log', stream) from (select distinct stream from appended) s;
    return null;
end $$;
create trigger tell after insert on chassis.event_log
    referencing new table as appended for each statement execute function chassis.tell_event_log();

-- A shard: a fixed MQTT client id (and so a queue at the broker), its filters, and the lease of whoever works it. The lease
-- is measured by the database's clock alone. An advisory lock will not do: a stopped holder keeps it for hours.
create table chassis.shard (
    shard       text primary key,
    service     text not null,
    lane        text not null,
    client_id   text not null unique,
    filters     text[] not null check (cardinality(filters) > 0),
    holder      text,
    generation  bigint not null default 0,
    renewed_at  timestamptz,
    session_at  timestamptz,              -- when its session at the broker was last known to stand; null: it never had one
    check ((holder is null) or (renewed_at is not null))
) with (fillfactor = 50);
grant select, update on chassis.shard to telecare_ingest, telecare_alerts;

-- A time during which messages for a shard may have been lost by the broker. Open while ended_at is null.
create table chassis.session_gap (
    session_gap_id  bigint generated always as identity primary key,
    shard           text not null references chassis.shard,
    started_at      timestamptz not null,
    ended_at        timestamptz check (ended_at >= started_at),
    certain         boolean not null,     -- the broker had no session left: what was queued in it is gone
    reason          text not null
);
create unique index session_gap_open on chassis.session_gap (shard) where ended_at is null;
grant select, insert, update on chassis.session_gap to telecare_ingest, telecare_alerts;
