-- What commissioning looks at: how far a device's event has come, and its receipt; and alarms of devices that nobody registered.

create index alarm_unregistered on alerts.alarm (received_at desc) where unregistered;

-- Published views: these are contracts, changed like one. Ask with event_id.
-- `proof`: a test, or a press that a person at a hub closed as one. `told_at`: null when too many tests had come already.
-- `reached_at`: a hub has it (webhook or MQTT; an e-mail or a text is no hub). `receipt`: of this event; `taken` when the broker took it
-- for a session that is subscribed, `nobody` when it said that there is none (services/alerts/channels/receipt).
create view alerts.event_fate as
    select e.event_id, a.test or coalesce(a.outcome = 'test', false) as proof, a.told_at, a.notified_at as reached_at,
        (select count(*) from alerts.delivery d where d.alarm_id = a.alarm_id and d.hub_id is not null and d.kind in ('webhook', 'mqtt'))
            as hub_channels,
        (select count(*) from alerts.delivery d
            where d.alarm_id = a.alarm_id and d.hub_id is not null and d.kind in ('webhook', 'mqtt') and d.state = 'failed') as refused,
        (select d.hub_id from alerts.delivery d
            where d.alarm_id = a.alarm_id and d.hub_id is not null and d.kind in ('webhook', 'mqtt') and d.state = 'delivered'
            order by d.finished_at limit 1) as hub_id,
        coalesce((select case when bool_or(r.state = 'delivered' and r.last_error is null) then 'taken'
                     when bool_or(r.state = 'pending') then 'pending' else 'nobody' end
            from alerts.delivery r where r.alarm_id = a.alarm_id and r.kind = 'receipt' and r.channel = e.event_id having count(*) > 0),
            'none') as receipt
    from alerts.alarm_event e join alerts.alarm a using (alarm_id);

-- Ask with a range of received_at.
create view alerts.unregistered_alarm as
    select device_id, council_id, kind, received_at from alerts.alarm where unregistered;
grant select on alerts.event_fate, alerts.unregistered_alarm to telecare_registry;
