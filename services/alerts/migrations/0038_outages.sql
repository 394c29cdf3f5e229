-- Devices that are affected: silent, or without mains. Each is told of by itself, or is a member of one outage.

create table alerts.outage (
    outage_id    uuid primary key,
    condition    text not null check (condition in ('silent', 'mains_lost')),
    -- What its members have in common; it may become another while the outage grows or shrinks.
    attribute    text not null check (attribute in ('sim_operator', 'cell_id', 'network', 'council_id', 'postcode_district', 'firmware', 'model')),
    value        text not null check (value <> ''),
    opened_at    timestamptz not null,
    began_at     timestamptz not null,            -- when its members were last well, most of them: before we saw it, or while we were blind
    closed_at    timestamptz,
    merged_into  uuid references alerts.outage check (merged_into is null or closed_at is not null),
    members      integer not null default 0 check (members >= 0),           -- whoever was one
    members_now  integer not null default 0 check (members_now >= 0),       -- and is affected still
    peak         integer not null default 0 check (peak >= 0),
    councils     text[] not null default '{}',    -- of its members
    log_p        double precision not null check (log_p <= 0),              -- ln of the probability of chance
    log_ratio    double precision not null check (log_ratio >= 0),          -- ln of the likelihood ratio of its name
    low_since    timestamptz,                     -- since when nearly all are back
    told_at      timestamptz,                     -- when people were told last, and what
    told_members integer not null default 0,
    told_attribute text,
    told_value   text,
    check (num_nulls(told_at, told_attribute, told_value) in (0, 3)),
    check (closed_at is null or members_now = 0)
);
create unique index outage_open on alerts.outage (condition, attribute, value) where closed_at is null;
create index outage_newest on alerts.outage (opened_at desc, outage_id desc);

-- One row for each time that a device began to be affected. `outage_id` says whose member it is: of one, or of none. So membership is
-- a partition, whatever the detector does.
create table alerts.affected (
    affected_id        bigint generated always as identity primary key,
    device_id          text not null,
    council_id         text,
    condition          text not null check (condition in ('silent', 'mains_lost')),
    version            bigint not null,           -- of the latest verdict that was taken: an earlier one is no news
    began_at           timestamptz not null,
    since              timestamptz,               -- last heard, or mains lost since; null: never heard
    flapping           boolean not null,
    expected_silent_at timestamptz,
    model              text,
    firmware           text,
    sim_operator       text,
    cell_id            text,
    network            text,
    postcode_district  text,
    loose_since        timestamptz not null,      -- since when no outage explains it
    outage_id          uuid references alerts.outage,
    told_at            timestamptz,               -- told of by itself
    ended_at           timestamptz check (ended_at is null or ended_at >= began_at)
) with (fillfactor = 70);
create unique index affected_open on alerts.affected (device_id, condition) where ended_at is null;
create index affected_version on alerts.affected (device_id, condition, version);
create index affected_loose on alerts.affected (condition, loose_since) where ended_at is null and outage_id is null;
create index affected_untold on alerts.affected (loose_since) where ended_at is null and outage_id is null and told_at is null;
create index affected_member on alerts.affected (outage_id) where ended_at is null and outage_id is not null;
create index affected_single on alerts.affected (condition, began_at) where told_at is not null and outage_id is null;
create index affected_ended on alerts.affected (ended_at) where ended_at is not null;

-- Who was exposed, and who has asked after them: kept as it was when the outage is over.
create table alerts.outage_member (
    outage_id          uuid not null references alerts.outage,
    device_id          text not null,
    council_id         text,
    postcode_district  text,
    since              timestamptz,
    joined_at          timestamptz not null,
    left_at            timestamptz,               -- back, or explained by something else; null: affected still
    contacted_by       text check (length(contacted_by) between 1 and 128),
    contacted_at       timestamptz check ((contacted_at is null) = (contacted_by is null)),
    note               text check (note is null or contacted_by is not null),
    primary key (outage_id, device_id)
) with (fillfactor = 70);
create index outage_member_council on alerts.outage_member (outage_id, council_id);
create index outage_member_device on alerts.outage_member (device_id);
create index outage_member_noted on alerts.outage_member (contacted_at) where note is not null;

-- A firmware, or model, of which one device after the other falls silent: told of once for as long as it does.
create table alerts.decay (
    attribute  text not null check (attribute in ('firmware', 'model')),
    value      text not null,
    since      timestamptz not null,
    council_id text not null,
    primary key (attribute, value)
);

grant select, insert, update on alerts.outage, alerts.outage_member to telecare_alerts;
grant select, insert, update, delete on alerts.affected, alerts.decay to telecare_alerts;

-- What a device has that its outage may be named by.
create function alerts.trait(of_device alerts.affected, attribute text) returns text language sql immutable as $$
    select case attribute when 'sim_operator' then of_device.sim_operator when 'cell_id' then of_device.cell_id
        when 'network' then of_device.network when 'council_id' then of_device.council_id
        when 'postcode_district' then of_device.postcode_district when 'firmware' then of_device.firmware
        when 'model' then of_device.model end
$$;

-- The kinds of alarm of a device that are held back, as by a silence, while it is a member: what the outage says already.
create view alerts.held_back as
    select device_id, case condition when 'silent' then 'device_silent' else 'power_supply' end as kind
    from alerts.affected where ended_at is null and outage_id is not null;
grant select on alerts.held_back to telecare_alerts;

-- News of an outage is told as news of an alarm is: it is of the one or of the other, and a probe of neither.
alter table alerts.notification add column outage_id uuid references alerts.outage;
alter table alerts.delivery add column outage_id uuid references alerts.outage check (outage_id is null or (alarm_id is null and kind <> 'receipt'));
do $$
declare name text;
begin
    select conname into strict name from pg_constraint
    where conrelid = 'alerts.notification'::regclass and contype = 'c' and pg_get_constraintdef(oid) like '%hub.probe%';
    execute format('alter table alerts.notification drop constraint %I', name);
end $$;
alter table alerts.notification add constraint notification_of_one
    check (num_nonnulls(alarm_id, outage_id) = case when type = 'hub.probe' then 0 else 1 end);
create index notification_outage on alerts.notification (outage_id) where outage_id is not null;
create index delivery_outage on alerts.delivery (outage_id, hub_id) where outage_id is not null;

-- As in 0031, and news of outages are no probes: they stay.
create or replace function alerts.forget_probes(before timestamptz) returns bigint language sql security definer set search_path = '' as $$
    with gone as (
        delete from alerts.delivery where delivery_id in (
            select delivery_id from alerts.delivery
            where alarm_id is null and outage_id is null and created_at < before and state <> 'pending'
            order by created_at
            limit 1000)
        returning notification_id
    ), untold as (
        delete from alerts.notification n using gone
        where n.notification_id = gone.notification_id and n.alarm_id is null and n.type = 'hub.probe'
    )
    select count(*) from gone
$$;
drop index alerts.delivery_probe;
create index delivery_probe on alerts.delivery (created_at) where alarm_id is null and outage_id is null;
