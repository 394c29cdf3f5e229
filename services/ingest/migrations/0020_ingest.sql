-- What devices sent: heartbeats (the hypertable), alarm events, what could not be identified, and when each device was last heard.

create schema ingest;
grant usage on schema ingest to telecare_ingest, telecare_alerts, telecare_registry;

-- `at` is the device's time, or a fixed instant derived from the message alone when that is absurd, so that a redelivery meets
-- itself: a hypertable's unique index must contain its time column, and our own time of receipt changes on redelivery.
create table ingest.heartbeat (
    device_id      text not null,
    council_id     text not null,
    boot_id        text not null,
    seq            bigint not null check (seq >= 0),
    at             timestamptz not null,
    sent_at        timestamptz,
    received_at    timestamptz not null,
    battery_pct    smallint,
    mains          boolean,
    signal_dbm     smallint,
    network        text,
    sim_operator   text,
    cell_id        text,
    firmware       text,
    temperature_c  real,
    marks          text[]                 -- why a field is null though one was sent
);

do $$
begin
    if exists (select from pg_available_extensions where name = 'timescaledb') then
        create extension if not exists timescaledb;
        perform create_hypertable('ingest.heartbeat', 'at', chunk_time_interval => interval '1 day', create_default_indexes => false);
    end if;
end $$;
create unique index heartbeat_identity on ingest.heartbeat (device_id, at, boot_id, seq, council_id);

-- One row per device ever heard or registered. No index on what changes, half-empty pages: every update of a heartbeat is HOT.
create table ingest.liveness (
    device_id      text primary key,
    council_id     text not null,
    last_heard_at  timestamptz,           -- null: registered and not heard yet
    boot_id        text,
    seq            bigint,
    battery_pct    smallint,
    mains          boolean,
    signal_dbm     smallint,
    reported_at    timestamptz            -- the last retained or will message's hint, never life
) with (fillfactor = 50);

create table ingest.alarm_event (
    event_id        uuid primary key,
    identity        bytea not null check (length(identity) = 32),        -- SHA-256 of topic, boot_id and seq
    payload_sha256  bytea not null check (length(payload_sha256) = 32),
    topic           text not null,
    council_id      text,                                                 -- as the topic says; null when it is no council id
    device_id       text not null,
    boot_id         text,
    seq             bigint check (seq >= 0),
    sent_at         timestamptz,
    received_at     timestamptz not null,
    kind            text not null check (kind <> ''),
    status          text not null,
    peripheral_id   text,
    location        text,
    text            text,
    test            boolean not null,
    marks           text[] not null default '{}',
    raw             bytea,                                                -- kept when something of it could not be read
    qos             smallint not null check (qos between 0 and 2),
    check ((boot_id is null) = (seq is null))
);
-- The identity of an event and its bytes: the same again is a repeat, other bytes under one identity are not.
create unique index alarm_event_identity on ingest.alarm_event (identity, payload_sha256);
create index alarm_event_device on ingest.alarm_event (device_id, received_at);

create table ingest.quarantine (
    quarantine_id  bigint generated always as identity primary key,
    lane           text not null,
    topic          text not null,
    council_id     text,
    device_id      text,
    reason         text not null,
    payload        bytea not null,
    received_at    timestamptz not null
);
create index quarantine_received on ingest.quarantine (received_at);

grant select, insert, update, delete on all tables in schema ingest to telecare_ingest;

insert into chassis.shard (shard, service, lane, client_id, filters) values
    ('alarms', 'ingest', 'alarm', 'telecare-ingest-alarms', array['telecare/v1/devices/+/+/alarm']),
    ('heartbeats-0', 'ingest', 'heartbeat', 'telecare-ingest-heartbeats-0',
        array['telecare/v1/devices/+/+/heartbeat', 'telecare/v1/devices/+/+/status']);

-- Published views.
create view ingest.device_liveness as
    select device_id, council_id, last_heard_at, battery_pct, mains, signal_dbm from ingest.liveness;
grant select on ingest.device_liveness to telecare_alerts, telecare_registry;
