-- A device's whole life: what else is known of it, what replaced it, who put it live on their word; and what its model promises.

alter table registry.device
    add column iccid              text check (iccid ~ '^[0-9]{18,22}$'),                 -- of its SIM
    add column replaces_analogue  text check (length(replaces_analogue) between 1 and 64),   -- the council's number of the analogue unit
    add column notes              text check (length(notes) between 1 and 1000),             -- never of a person; can be erased
    -- The end that was expected when it was suspended.
    add column suspended_until    timestamptz check (suspended_until is null or stage = 'suspended'),
    -- It went live on somebody's word, the last time that it went live: when, whose, why, and which checks were missing.
    add column overridden_at      timestamptz check (overridden_at is null or live_at is not null),
    add column overridden_by      text,
    add column override_reason    text check (length(override_reason) > 0),
    add column override_missing   text[],
    add constraint override_whole check (
        num_nulls(overridden_at, overridden_by, override_reason, override_missing) in (0, 4)),
    -- Which unit stands in its place now. `generation` counts those that stood there before: a replacement is of the next one, and
    -- the foreign key below says so, so that a chain of replacements has an end, whoever writes it.
    add column generation         integer not null default 0 check (generation >= 0),
    add column replaced_by        text check (replaced_by is null or stage = 'withdrawn'),
    add column replaced_by_generation integer generated always as (case when replaced_by is not null then generation + 1 end) stored,
    add constraint device_generation unique (device_id, generation),
    add constraint replaced_by_the_next foreign key (replaced_by, replaced_by_generation)
        references registry.device (device_id, generation);

-- One unit takes the place of one.
create unique index device_replaced_by on registry.device (replaced_by) where replaced_by is not null;
create index device_overridden on registry.device (overridden_at) where overridden_at is not null;
create unique index device_iccid on registry.device (iccid) where iccid is not null and stage <> 'withdrawn';   -- a SIM is in one box; it may move on

-- What a model of device promises. Names are compared without regard to case. `default` stands for every model that is not here.
create table registry.device_model (
    model                 text primary key check (length(model) between 1 and 64),
    heartbeat_interval_s  integer not null check (heartbeat_interval_s between 1 and 604800),
    late_after_missed     smallint not null check (late_after_missed between 1 and 100),
    silent_after_s        integer not null check (silent_after_s <= 2592000),
    battery_hours         smallint check (battery_hours between 1 and 1000),       -- without mains; null: not known
    signal_dbm_min        smallint check (signal_dbm_min between -200 and 0),      -- weaker is weak; null: it has no radio, or nobody knows
    -- What its heartbeats may come over: a box with two has each proved before it goes live. None: not known.
    paths                 text[] not null default '{}' check (paths <@ array['ethernet', 'wifi', 'mobile']),
    -- [{"kind": "personal_trigger", "peripheral_id": "pendant-1" or null}]: what the unit comes with, each to be tried.
    triggers              jsonb not null default '[]' check (jsonb_typeof(triggers) = 'array'),
    changed_at            timestamptz not null,
    changed_by            text not null,
    -- Late first, silent then.
    constraint silent_after_late check (silent_after_s >= heartbeat_interval_s * late_after_missed)
);
create unique index device_model_name on registry.device_model (lower(model));
grant select, insert, update, delete on registry.device_model to telecare_registry;

-- A box that reports each minute, as the contract proposes, and silent after ten, as it was before there were models.
insert into registry.device_model
    (model, heartbeat_interval_s, late_after_missed, silent_after_s, signal_dbm_min, triggers, changed_at, changed_by)
values ('default', 60, 3, 600, -110, '[{"kind": "personal_trigger", "peripheral_id": null}]', '2026-11-28T00:00:00Z', 'telecare');

-- Published views: these are contracts, changed like one. New columns stand at the end.
create or replace view registry.device_directory as
    select device_id, council_id, stage, model, sim_operator, postcode_district, installation_ref, sole_trigger,
        serial, live_at, overridden_at, suspended_until, replaced_by
    from registry.device;

create view registry.model_directory as
    select model, heartbeat_interval_s, late_after_missed, silent_after_s, battery_hours, signal_dbm_min, paths, triggers
    from registry.device_model;

-- What is expected of each device: its model's row, or that of `default`.
create view registry.device_expectation as
    select d.device_id, d.council_id, d.stage, m.*
    from registry.device d
    cross join lateral (
        select t.model, t.heartbeat_interval_s, t.late_after_missed, t.silent_after_s, t.battery_hours, t.signal_dbm_min, t.paths,
            t.triggers
        from registry.device_model t
        where lower(t.model) in (lower(d.model), 'default')
        order by t.model = 'default' limit 1
    ) m;

grant select on registry.model_directory, registry.device_expectation to telecare_alerts, telecare_ingest, telecare_registry;
