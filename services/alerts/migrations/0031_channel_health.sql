-- Whether each verified channel of a hub is alive: what its last probe said, and when somebody looks at it next. A state, not a
-- history: the row goes with its channel. What a dead channel did to people is in its alarm.
create table alerts.channel_health (
    channel_id     uuid primary key,
    hub_id         text not null,
    kind           text not null check (kind in ('webhook', 'mqtt', 'email', 'sms')),
    look_at        timestamptz not null,         -- the next instant at which anything of it can change
    probed_at      timestamptz,                  -- when the last probe began
    probe_id       text references alerts.notification on delete set null,   -- the probe that is on its way
    failures       integer not null default 0 check (failures >= 0),       -- in a row
    failing_since  timestamptz check ((failing_since is null) = (failures = 0)),
    last_error     text,
    last_alive_at  timestamptz,
    alarm_at       timestamptz check (alarm_at is null or failures >= 3),  -- when its alarm was raised: once per episode
    check (probe_id is null or probed_at is not null)
);
create index channel_health_look on alerts.channel_health (look_at);
grant select, insert, update, delete on alerts.channel_health to telecare_alerts;

-- What was delivered to a channel last: an alarm that arrived says as much as a probe.
create index delivery_alive on alerts.delivery (channel, finished_at) where state = 'delivered' and kind <> 'receipt';

-- Probes, and the codes that verify channels, are of no alarm and no evidence of anything after a while. Nobody may delete what people
-- were told: so this, by its owner's right, deletes what is finished, of no alarm and old; a bounded number, and says how many.
create index delivery_probe on alerts.delivery (created_at) where alarm_id is null;
create function alerts.forget_probes(before timestamptz) returns bigint language sql security definer set search_path = '' as $$
    with gone as (
        delete from alerts.delivery where delivery_id in (
            select delivery_id from alerts.delivery
            where alarm_id is null and created_at < before and state <> 'pending'
            order by created_at
            limit 1000)
        returning notification_id
    ), untold as (
        delete from alerts.notification n using gone
        where n.notification_id = gone.notification_id and n.alarm_id is null and n.type = 'hub.probe'
    )
    select count(*) from gone
$$;
revoke execute on function alerts.forget_probes from public;
grant execute on function alerts.forget_probes to telecare_alerts;
