-- When a shard could not hear: broker, session, database or its service were away, or a backlog was not drained.

-- Everything that the broker had for the shard before this instant is stored, by the database's clock.
alter table chassis.shard add column heard_until timestamptz;

create table chassis.hearing_lapse (
    hearing_lapse_id  bigint generated always as identity primary key,
    shard             text not null references chassis.shard,
    started_at        timestamptz not null,
    ended_at          timestamptz check (ended_at >= started_at),      -- null: it lasts
    reason            text not null
);
create index hearing_lapse_ended on chassis.hearing_lapse (ended_at);
grant select, insert, update on chassis.hearing_lapse to telecare_ingest, telecare_alerts, telecare_registry;
