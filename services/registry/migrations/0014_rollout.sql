-- The rollout: the programme's target, what each week did to the counts, and the source of each figure that a council told.

-- What the programme aims at. Only ever added to: the last row is in force, the ones before it are its history.
create table registry.programme (
    programme_id  bigint generated always as identity primary key,
    target        integer not null check (target >= 1),     -- live devices in all councils
    target_date   date,                                     -- null: the programme has set no day
    source        text check (length(source) between 1 and 500),
    set_at        timestamptz not null,
    set_by        text not null
);
insert into registry.programme (target, source, set_at, set_by) values
    (1000, 'Digital Office for Scottish Local Government, business plan 2019–21', '2026-11-28T00:00:00Z', 'telecare');

-- Of a figure that comes from elsewhere than the council's other ones: {"telecare_users": {"source": …, "as_of": …}}.
alter table registry.council add column sources jsonb not null default '{}' check (jsonb_typeof(sources) = 'object');

-- Lines of devices' history that the counts do not hold yet. A line is taken from here in the transaction that counts it: so each
-- counts once, and one that was committed late is not skipped.
create table registry.rollout_todo (device_change_id bigint primary key);

-- Where each device stands after the lines that are counted (services/registry/domain/rollout_weeks.py).
create table registry.rollout_device (
    device_id   text primary key references registry.device,
    council_id  text not null references registry.council,
    stage       text not null check (stage in
        ('ordered', 'registered', 'claimed', 'installed', 'commissioning', 'live', 'suspended', 'withdrawn')),
    heard       boolean not null,                           -- since it first went live
    was_live    boolean not null,                           -- it has counted as live, once at least
    check (was_live or not (stage = 'live' and heard))
) with (fillfactor = 80);
create index rollout_unheard on registry.rollout_device (device_id) where stage = 'live' and not heard;

-- What a week did to the counts: a few rows a week, however many devices there are. All that entered less all that left is what
-- is there. `unheard`: gone live, and not heard since; such a device is not live yet.
create table registry.rollout_week (
    week        date not null check (extract(isodow from week) = 1),        -- its Monday, by Scotland's clocks
    council_id  text not null references registry.council,
    stage       text not null check (stage in
        ('ordered', 'registered', 'claimed', 'installed', 'commissioning', 'live', 'suspended', 'withdrawn', 'unheard')),
    entered     integer not null check (entered >= 0),
    "left"      integer not null check ("left" >= 0),
    first       integer not null check (first between 0 and entered),       -- live for the first time in its life
    replaced    integer not null check (replaced between 0 and "left"),     -- had been live; another device took its place
    primary key (week, council_id, stage),
    check (stage = 'live' or first = 0)
);

-- What is too much to count for every look at the rollout, as counted last.
create table registry.rollout_now (
    council_id         text primary key references registry.council,
    silent             integer not null check (silent >= 0),            -- live, and not heard for longer than its model allows
    analogue_replaced  integer not null check (analogue_replaced >= 0), -- units, by devices that went live after the council's figure
    counted_at         timestamptz not null
);
create index device_replaces on registry.device (council_id) where replaces_analogue is not null;

-- A trigger, so that no writer of history can forget it; once for a statement, for an import writes thousands of lines.
create function registry.rollout_note() returns trigger language plpgsql as $$
begin
    insert into registry.rollout_todo (device_change_id) select device_change_id from line;
    return null;
end $$;
create trigger rollout_note after insert on registry.device_change
    referencing new table as line for each statement execute function registry.rollout_note();

-- What happened until now is counted in the background, as soon as the registry runs.
insert into registry.rollout_todo (device_change_id) select device_change_id from registry.device_change;

grant select, insert on registry.programme to telecare_registry;            -- what was aimed at stays as it was
grant select, insert, delete on registry.rollout_todo to telecare_registry;
grant select, insert, update, delete on registry.rollout_device, registry.rollout_week, registry.rollout_now to telecare_registry;

-- Published view: each week from the first to the present one, of each council and stage that ever had a device.
create view registry.rollout_history as
    with place as (select distinct council_id, stage from registry.rollout_week),
        span as (select min(week) as first, greatest(max(week), date_trunc('week', now() at time zone 'Europe/London')::date) as last
                 from registry.rollout_week)
    select w.week, p.council_id, p.stage,
        sum(coalesce(r.entered - r."left", 0)) over (partition by p.council_id, p.stage order by w.week)::integer as devices,
        coalesce(r.entered, 0) as entered, coalesce(r."left", 0) as "left", coalesce(r.first, 0) as first,
        coalesce(r.replaced, 0) as replaced
    from span
    cross join lateral (select span.first + n * 7 as week from generate_series(0, (span.last - span.first) / 7) as n) as w
    cross join place as p
    left join registry.rollout_week r on (r.week, r.council_id, r.stage) = (w.week, p.council_id, p.stage);
grant select on registry.rollout_history to telecare_registry, telecare_alerts, telecare_ingest;
