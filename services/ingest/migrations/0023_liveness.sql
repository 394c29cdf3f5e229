-- Who can still be heard: what is watched and by which promise, what heartbeats tell of how a device is, and the last verdicts.

-- Models as numbers, in the order in which they were met: a row of liveness is looked at by the million.
create table ingest.model (
    model_id  integer generated always as identity primary key,
    name      text not null
);
create unique index model_name on ingest.model (lower(name));
insert into ingest.model (name) select min(model) from registry.watch_directory group by lower(model);

-- No index stands on anything that a heartbeat changes, here neither: every update of a heartbeat stays HOT.
alter table ingest.liveness
    -- Copied when the registry tells. `watched_since` null: nobody waits for it.
    add column watched_since      timestamptz,
    add column model_id           integer,
    add column postcode_district  text,
    add column sim_registered     text,
    -- From heartbeats, as last told.
    add column firmware           text,
    add column network            text,
    add column cell_id            text,
    add column sim_operator       text,
    add column mains_changed_at   timestamptz,              -- since when `mains` is what it is
    add column signal_average     real,                     -- dBm, over some ten minutes
    add column clock_behind_s     integer,                  -- the device's clock, by its last heartbeat; negative: it is ahead
    add column missed             integer not null default 0,    -- gaps in `seq` within a boot; an alarm that came first is owed one
    add column path_changes       real not null default 0,  -- of `network`, over some hour: each fades away
    -- Verdicts. Changed by these alone, each of which counts `verdict_version` on.
    add column silent             boolean not null default false,
    add column verdict_version    integer not null default 0,
    add column judged_at          timestamptz,
    add column judged_heard_at    timestamptz,              -- `last_heard_at` as it was judged; null: it had never been heard
    add column returned_at        timestamptz,              -- it flaps, and was heard again since
    add column silences           smallint not null default 0,
    add column first_silence_at   timestamptz,
    add column health             jsonb,                    -- its conditions (services/ingest/domain/health.py); null: none
    add constraint watched_by_a_model check (watched_since is null or model_id is not null),
    add constraint returned_while_silent check (returned_at is null or silent);
create index liveness_silent on ingest.liveness (device_id) where silent;
create index liveness_ailing on ingest.liveness (device_id) where health is not null;
update ingest.liveness l
set watched_since = w.watched_since, model_id = m.model_id, postcode_district = w.postcode_district, sim_registered = w.sim_operator
from registry.watch_directory w join ingest.model m on lower(m.name) = lower(w.model)
where w.device_id = l.device_id;

-- Who sweeps: one process at a time, by a lease in the database's own time. And how often something was taken from the registry, so
-- that whoever remembers where nothing can be due yet knows when to forget it.
create table ingest.sweep (
    one            boolean primary key default true check (one),
    holder         text,
    held_until     timestamptz check ((holder is null) = (held_until is null)),
    registrations  bigint not null default 0,
    missed         bigint not null default 0,               -- heartbeats, when they were last counted
    counted_at     timestamptz
);
insert into ingest.sweep default values;

-- How many of the watched devices are heard as often as they should be, by what they share. Counted every half minute.
create table ingest.hearing_count (
    attribute  text not null check (attribute in
        ('council', 'model', 'firmware', 'sim_operator', 'cell', 'network', 'postcode_district')),
    shard      text not null,
    value      text not null,
    expected   integer not null check (expected >= 0),      -- watched
    heard      integer not null check (heard between 0 and expected),   -- within one and a half of their intervals
    late       integer not null check (late between 0 and expected),    -- not silent yet
    silent     integer not null check (silent between 0 and expected),
    primary key (attribute, shard, value)
);
grant select on ingest.sweep, ingest.model to telecare_ingest;
grant insert on ingest.model to telecare_ingest;
grant update on ingest.sweep to telecare_ingest;
grant select, insert, update, delete on ingest.hearing_count to telecare_ingest;

-- Published views: these are contracts, changed like one. New columns stand at the end.
-- `late_at`: when it is late unless it is heard; null: nobody waits for it. Ask with device_id: it is looked up in the register.
create or replace view ingest.device_liveness as
    select l.device_id, l.council_id, l.last_heard_at, l.battery_pct, l.mains, l.signal_dbm,
        l.watched_since, l.silent, l.silent and l.silences >= 3 as flapping, case when l.silent then l.judged_at end as silent_at,
        l.firmware, l.network, l.cell_id, coalesce(l.sim_operator, l.sim_registered) as sim_operator, l.mains_changed_at,
        greatest(l.missed, 0) as missed,
        (select greatest(l.last_heard_at, l.watched_since)
                + make_interval(secs => least(t.heartbeat_interval_s * t.late_after_missed + 5, t.silent_after_s))
            from ingest.model n join registry.model_directory t on lower(t.model) in (lower(n.name), 'default')
            where n.model_id = l.model_id and l.watched_since is not null
            order by t.model = 'default' limit 1) as late_at
    from ingest.liveness l;
-- Of values that five devices share, at least. `shard`: by which their heartbeats come; one that is blind is counted no further.
create view ingest.hearing as
    select h.shard, h.attribute, h.value, h.expected, h.heard, h.late, h.silent, s.counted_at
    from ingest.hearing_count h cross join ingest.sweep s;
grant select on ingest.hearing to telecare_alerts, telecare_registry;
