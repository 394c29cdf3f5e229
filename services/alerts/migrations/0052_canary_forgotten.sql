-- The canary's tests are 1,440 a day and shard, and worth nothing a week later. Alerts may delete no alarm; this one function, by its
-- owner's right, deletes those of the canary, which nobody pressed in earnest: tests, closed, of its own council and its own devices.

create index alarm_of_canary on alerts.alarm (received_at) where council_id = 'canary' and test and state = 'closed';
create index hub_action_of_canary on alerts.hub_action (at) where hub_id = 'canary';
-- For whoever deletes an alarm: is it mentioned here? (Of an alarm's other mentions there are indexes.)
create index notification_alarm on alerts.notification (alarm_id) where alarm_id is not null;

-- Some at a time; how many rows of alarms and of the canary's answers. Never what is younger than a week, whatever it is told, nor what
-- is being sent just now.
create function alerts.forget_canary(before timestamptz, most integer default 500) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
    until constant timestamptz := least(before, now() - interval '7 days');
    gone uuid[];
    answers bigint;
begin
    select array_agg(old.alarm_id) into gone from (
        select a.alarm_id from alerts.alarm a
        where a.council_id = 'canary' and a.test and a.state = 'closed' and not a.unregistered and a.received_at < until
            and not exists (select from alerts.delivery d where d.alarm_id = a.alarm_id and d.state = 'pending' and d.leased_until > now())
        order by a.received_at limit most for update skip locked) old;
    delete from alerts.delivery where alarm_id = any (gone);
    delete from alerts.notification where alarm_id = any (gone);
    delete from alerts.alarm_event where alarm_id = any (gone);
    delete from alerts.transition where alarm_id = any (gone);
    delete from alerts.alarm where alarm_id = any (gone);
    -- What its hub said, "received" for the most part.
    delete from alerts.hub_action where ctid = any (array(
        select o.ctid from alerts.hub_action o where o.hub_id = 'canary' and o.at < until order by o.at limit most));
    get diagnostics answers = row_count;
    return coalesce(cardinality(gone), 0) + answers;
end $$;
revoke execute on function alerts.forget_canary from public;
grant execute on function alerts.forget_canary to telecare_alerts;
