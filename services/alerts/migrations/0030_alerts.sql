-- Alarms, what became of them, and what must still be told to whom. The CHECKs make a forgotten alarm unstorable.

create schema alerts;
grant usage on schema alerts to telecare_alerts, telecare_ingest, telecare_registry;

create table alerts.alarm (
    alarm_id          uuid primary key,
    device_id         text not null,
    council_id        text,
    kind              text not null,
    status            text not null,
    peripheral_id     text,
    location          text,
    priority          smallint not null check (priority between 1 and 5),
    state             text not null check (state in ('open', 'acknowledged', 'closed')),
    step              integer not null check (step >= 0),
    event_count       integer not null check (event_count >= 1),
    test              boolean not null,
    unregistered      boolean not null,
    installation_ref  text,
    raised_at         timestamptz,                 -- the device's clock
    received_at       timestamptz not null,        -- ours, of the first event
    opened_at         timestamptz not null,        -- when it last began to wait for a person: raised, re-opened, released
    notified_at       timestamptz,                 -- first delivered to a hub
    acknowledged_at   timestamptz,
    acknowledged_by   text,
    closed_at         timestamptz,
    closed_by         text,
    outcome           text check (outcome in ('attended', 'emergency_services', 'advice_given', 'no_response', 'accidental', 'test',
                                              'equipment_fault', 'data_quality')),
    note              text,
    changed_at        timestamptz not null,
    wake_at           timestamptz,                 -- the next instant at which somebody looks at it again
    check ((state = 'closed') = (wake_at is null)),
    check ((state = 'closed') = (closed_at is not null)),
    check (wake_at <= changed_at + interval '1 day'),
    check (state <> 'acknowledged' or (acknowledged_at is not null and acknowledged_by is not null)),
    -- A life or welfare alarm is closed by a named person with an outcome, and by nothing else.
    check (state <> 'closed' or priority > 2 or (closed_by is not null and outcome is not null))
) with (fillfactor = 80);
create unique index alarm_open on alerts.alarm (device_id, kind, coalesce(peripheral_id, '')) where state <> 'closed';
create index alarm_wake on alerts.alarm (priority, wake_at) where state <> 'closed';
create index alarm_newest on alerts.alarm (received_at desc, alarm_id desc);
create index alarm_device on alerts.alarm (device_id, received_at desc);

create table alerts.transition (
    transition_id  bigint generated always as identity primary key,
    alarm_id       uuid not null references alerts.alarm,
    at             timestamptz not null,
    event          text not null,       -- raised, repeated, escalated, restored, cancelled, acknowledged, released, closed, test_received
    reason         text not null,
    state          text not null,
    step           integer not null,
    priority       smallint not null,
    actor          text,
    detail         text,
    xact           xid8 not null default pg_current_xact_id()
);
create index transition_alarm on alerts.transition (alarm_id, transition_id);
-- Who follows transitions reads them in this order, up to the oldest transaction still under way: ids alone commit out of order.
create index transition_feed on alerts.transition (xact, transition_id);

-- The events of an alarm, each as ingest told it, and the transition that it caused.
create table alerts.alarm_event (
    event_id       uuid primary key,
    alarm_id       uuid not null references alerts.alarm,
    transition_id  bigint not null unique references alerts.transition,
    body           jsonb not null
);
create index alarm_event_alarm on alerts.alarm_event (alarm_id);

-- One notification per transition; its body never changes once written.
create table alerts.notification (
    notification_id  text primary key,
    transition_id    bigint not null unique references alerts.transition,
    alarm_id         uuid not null references alerts.alarm,
    type             text not null,
    timestamp        timestamptz not null,
    body             text not null
);

-- What must still be sent, to a hub's channel or (a receipt) to a device.
create table alerts.delivery (
    delivery_id    bigint generated always as identity primary key,
    transition_id  bigint not null references alerts.transition,
    alarm_id       uuid not null references alerts.alarm,
    kind           text not null check (kind in ('webhook', 'mqtt', 'receipt')),
    channel        text not null,                      -- the hub's channel_id; for a receipt the event_id
    way            text not null generated always as (case when kind = 'receipt' then '' else channel end) stored,
    hub_id         text check ((kind = 'receipt') = (hub_id is null)),
    topic          text check ((kind = 'receipt') = (topic is not null)),
    body           text check ((kind = 'receipt') = (body is not null)),   -- a hub gets the notification's
    priority       smallint not null check (priority between 1 and 5),
    state          text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
    due_at         timestamptz not null,
    attempts       integer not null default 0,
    lease_token    uuid,
    leased_until   timestamptz check ((lease_token is null) = (leased_until is null)),
    last_error     text,
    created_at     timestamptz not null,
    finished_at    timestamptz check ((state = 'pending') = (finished_at is null)),
    unique (transition_id, channel)
) with (fillfactor = 70);
create index delivery_due on alerts.delivery (way, priority, due_at) where state = 'pending';
create index delivery_alarm on alerts.delivery (alarm_id, hub_id);

-- What a hub asked by MQTT and was answered: the same action again gets the same answer. Another action under an id that was used
-- before (by a console that counts from 1 at each start) is another action: told "accepted", nobody would have done it.
create table alerts.hub_action (
    hub_id     text not null,
    action_id  text not null,
    sha256     bytea not null check (length(sha256) = 32),      -- of the action
    result     text not null,
    detail     text,
    at         timestamptz not null,
    primary key (hub_id, action_id, sha256)
);

-- A hub may see, and act on, what it was told of, and what is routed to it by council. A function, so that it is asked alarm by
-- alarm by index: as a subquery it is planned as a hash of all that the hub was ever told.
create function alerts.concerns(alarm uuid, council text, hub text) returns boolean language sql stable as $$
    select exists (select from alerts.delivery d where d.alarm_id = alarm and d.hub_id = hub)
        or exists (select from registry.route_directory r where r.council_id = council and r.hub_id = hub)
$$;

grant select, insert, update on all tables in schema alerts to telecare_alerts;     -- nothing is ever deleted
revoke update on alerts.transition, alerts.notification from telecare_alerts;         -- and what happened stays as it happened

insert into chassis.shard (shard, service, lane, client_id, filters) values
    ('hub-actions', 'alerts', 'action', 'telecare-alerts-actions', array['telecare/v1/hubs/+/actions']);

-- Published view: what a repeated event is receipted with.
create view alerts.receipt_state as
    select e.event_id, a.alarm_id,
        case when a.test then case when a.notified_at is null then 'stored' else 'notified' end
             when a.state = 'closed' then 'closed'
             when a.state = 'acknowledged' then 'acknowledged'
             when a.notified_at is not null then 'notified'
             else 'stored' end as state
    from alerts.alarm_event e join alerts.alarm a using (alarm_id);
grant select on alerts.receipt_state to telecare_ingest;
