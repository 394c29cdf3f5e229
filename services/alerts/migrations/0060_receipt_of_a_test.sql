-- A test's repeat is receipted with the alarm's present state too: it is closed at once, and was called `notified`. Its first
-- receipts stay as they are: `stored`, and `notified` when a hub has it.

create or replace view alerts.receipt_state as
    select e.event_id, a.alarm_id,
        case when a.state = 'closed' then 'closed'
             when a.state = 'acknowledged' then 'acknowledged'
             when a.notified_at is not null then 'notified'
             else 'stored' end as state
    from alerts.alarm_event e join alerts.alarm a using (alarm_id);
