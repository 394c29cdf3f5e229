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
    last_event_at     timestamptz not null,        -- when its device last said so: a press again soon after goes to the next step
    policy_id         bigint not null,             -- registry.policy_directory: the version that it began with
    ladder_at         timestamptz not null,        -- what the policy's steps are counted from
    told_at           timestamptz,                 -- when people were last told by the ladder; null: not at all yet
    reached_at        timestamptz,                 -- since ladder_at first delivered to a hub; null: no hub has it
    silenced_until    timestamptz,                 -- held back by a silence: told when that ends
    repair_due_at     timestamptz,                 -- the fault clock
    rises_at          timestamptz,                 -- not closed by then: more urgent by one
    sole_device       boolean not null,            -- its person has no other: at risk when it is unprotected
    notified_at       timestamptz,                 -- first delivered to a hub at all
    acknowledged_at   timestamptz,
    acknowledged_by   text,
    acknowledged_hub  text,                        -- the hub whose operator that is; null: nobody's, or ops
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
    check (state = 'closed' or told_at is not null or silenced_until is not null),
    check (silenced_until is null or priority >= 3),                    -- life and welfare can't be held back
    check (state <> 'acknowledged' or (acknowledged_at is not null and acknowledged_by is not null)),
    -- A life or welfare alarm is closed by a named person with an outcome, and by nothing else.
    check (state <> 'closed' or priority > 2 or (closed_by is not null and outcome is not null))
) with (fillfactor = 80);
create unique index alarm_open on alerts.alarm (device_id, kind, coalesce(peripheral_id, '')) where state <> 'closed';
create index alarm_wake on alerts.alarm (priority, wake_at) where state <> 'closed';
create index alarm_newest on alerts.alarm (received_at desc, alarm_id desc);
create index alarm_device on alerts.alarm (device_id, received_at desc);
create index alarm_test_told on alerts.alarm (told_at) include (device_id) where test and told_at is not null;       -- rate-limited
create index alarm_silenced on alerts.alarm (council_id) where silenced_until is not null and state <> 'closed';

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
    hub_id         text,                -- the hub whose operator acted; null: nobody, or ops
    detail         text,
    xact           xid8 not null default pg_current_xact_id()
);
create index transition_alarm on alerts.transition (alarm_id, transition_id);
-- Who follows transitions reads them in this order, up to the oldest transaction still under way: ids alone commit out of order.
create index transition_feed on alerts.transition (xact, transition_id);
-- What happened in a month (services/alerts/kpis).
create index transition_at on alerts.transition (at);

-- The events of an alarm, each as ingest told it, and the transition that it caused.
create table alerts.alarm_event (
    event_id       uuid primary key,
    alarm_id       uuid not null references alerts.alarm,
    transition_id  bigint not null unique references alerts.transition,
    body           jsonb not null
);
create index alarm_event_alarm on alerts.alarm_event (alarm_id);

-- One notification per transition; its body never changes once written. A probe of a channel is of no alarm.
create table alerts.notification (
    notification_id  text primary key,
    transition_id    bigint unique references alerts.transition,
    alarm_id         uuid references alerts.alarm,
    type             text not null,
    timestamp        timestamptz not null,
    body             text not null,
    check ((type = 'hub.probe') = (alarm_id is null)),
    check ((alarm_id is null) = (transition_id is null))
);

-- What must still be sent: to a hub's channel, to a responder, or (a receipt) to a device.
create table alerts.delivery (
    delivery_id      bigint generated always as identity primary key,
    transition_id    bigint references alerts.transition,          -- null: a probe
    alarm_id         uuid references alerts.alarm,
    notification_id  text references alerts.notification check ((kind = 'receipt') = (notification_id is null)),
    kind             text not null check (kind in ('webhook', 'mqtt', 'email', 'sms', 'receipt')),
    channel          uuid not null,                    -- the hub's channel_id, the responder's id; for a receipt the event_id
    way              text not null generated always as (case when kind = 'receipt' then '' else channel::text end) stored,
    hub_id           text,
    responder_id     uuid,
    topic            text check ((kind = 'receipt') = (topic is not null)),
    body             text check ((kind = 'receipt') = (body is not null)),   -- people get the notification's
    priority         smallint not null check (priority between 1 and 5),
    state            text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
    due_at           timestamptz not null,
    expires_at       timestamptz,                      -- a probe's or a code's: not worth sending after that. An alarm's never ends
    attempts         integer not null default 0,
    lease_token      uuid,
    leased_until     timestamptz check ((lease_token is null) = (leased_until is null)),
    provider_reference text,                           -- what a provider (GOV.UK Notify) calls it: to ask what became of it
    last_error       text,
    created_at       timestamptz not null,
    finished_at      timestamptz check ((state = 'pending') = (finished_at is null)),
    unique (transition_id, channel),
    check (num_nonnulls(hub_id, responder_id) = case when kind = 'receipt' then 0 else 1 end),
    check ((alarm_id is null) = (transition_id is null)),
    check (expires_at is null or alarm_id is null)
) with (fillfactor = 70);
create index delivery_due on alerts.delivery (way, priority, due_at) where state = 'pending';
create index delivery_alarm on alerts.delivery (alarm_id, hub_id);

create index delivery_responder on alerts.delivery (alarm_id, responder_id) where responder_id is not null;
create index delivery_notification on alerts.delivery (notification_id, hub_id);
create index delivery_reference on alerts.delivery (provider_reference) where provider_reference is not null;

-- For a bounded time, alarms of priority 3 to 5 of a device, a postcode district or a whole council are listed and not told: by
-- whom and why is kept. Life and welfare (1, 2) can't be silenced.
create table alerts.silence (
    silence_id         uuid primary key,
    council_id         text not null,
    device_id          text,
    postcode_district  text,
    priorities         smallint[] not null check (cardinality(priorities) > 0 and priorities <@ array[3, 4, 5]::smallint[]),
    reason             text not null check (length(reason) between 1 and 500),
    operator           text not null check (length(operator) between 1 and 128),
    hub_id             text,                         -- the hub whose operator it was; null: ops
    starts_at          timestamptz not null,
    ends_at            timestamptz not null,         -- earlier when somebody ends it
    ended_by           text,
    check (num_nonnulls(device_id, postcode_district) <= 1),
    check (ends_at >= starts_at and ends_at <= starts_at + interval '7 days')
);
create index silence_council on alerts.silence (council_id, ends_at);

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

-- A delivery with all that is needed to send it, as channels are now.
create view alerts.parcel as
    select d.delivery_id, d.alarm_id::text as alarm_id, d.kind, d.channel::text as channel, d.hub_id, d.responder_id, d.topic, d.priority, d.due_at,
        d.expires_at, d.provider_reference as reference, coalesce(d.body, n.body) as body, n.notification_id, n.type, c.url,
        c.secret_encrypted, c.previous_secret_encrypted, c.previous_secret_until,
        coalesce(c.address_encrypted, r.address_encrypted) as address_encrypted,
        -- What verifies a channel goes to one that is not verified yet.
        d.kind = 'receipt' or coalesce(c.verified_at, r.verified_at) is not null
            or (n.type = 'hub.probe' and coalesce(c.channel_id, r.responder_id) is not null) as usable,
        (e.body ->> 'received_at')::timestamptz as received_at
    from alerts.delivery d
    left join alerts.notification n using (notification_id)
    left join alerts.alarm_event e on e.transition_id = d.transition_id
    left join registry.channel_directory c on c.channel_id = d.channel
    left join registry.responder_directory r on r.responder_id = d.responder_id;

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
