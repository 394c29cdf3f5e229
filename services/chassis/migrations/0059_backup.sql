-- When a backup was last made, as deploy/backup says it: that one fails, or that nobody makes any, is seen by nothing else.

create table chassis.backup (
    what text primary key check (what in ('all', 'without-heartbeats')),
    made_at timestamptz not null
);
grant select on chassis.backup to telecare_ingest, telecare_alerts, telecare_registry;

-- Before the first it is late when it would be late from now on.
insert into chassis.backup (what, made_at) values ('all', clock_timestamp()), ('without-heartbeats', clock_timestamp());
