-- Erasures that alerts was told of; and by its owner's right, for services may rewrite neither what they told nor what happened, the
-- one function that takes what is about a person out of it. An alarm that is not closed keeps everything: its hub needs it.
create table alerts.erasure (
    erasure_id  uuid primary key,
    told_at     timestamptz not null,
    done_at     timestamptz,
    rows        bigint not null default 0
);
create index erasure_due on alerts.erasure (told_at) where done_at is null;
grant select, insert, update on alerts.erasure to telecare_alerts;

-- How far it is; `waits_for` is an alarm that is not closed yet.
create view alerts.erasure_progress as
    select e.erasure_id, e.done_at, e.rows, (
        select a.alarm_id from alerts.alarm a join registry.erasure_directory d on d.erasure_id = e.erasure_id
        where a.device_id = d.device_id and a.state <> 'closed' and a.received_at <= d.asked_at and e.done_at is null limit 1) as waits_for
    from alerts.erasure e;
-- Events of alarms that are not closed: whoever forgets texts lets these alone.
create view alerts.open_event as
    select e.event_id from alerts.alarm_event e join alerts.alarm a using (alarm_id) where a.state <> 'closed';
grant select on alerts.erasure_progress to telecare_registry;
grant select on alerts.open_event to telecare_ingest;

-- What still holds words of a home or of an operator, which few do.
create index alarm_noted on alerts.alarm (closed_at) where state = 'closed' and note is not null;
create index alarm_event_said on alerts.alarm_event (alarm_id) where body ->> 'text' is not null;
create index notification_said on alerts.notification (alarm_id) where body like '%"text":"%';

-- Of one closed alarm. `places` are the contract's names of rooms: any other is somebody's own words.
create function alerts.erase_alarm(of_alarm uuid, what text[], places text[]) returns bigint language plpgsql set search_path = '' as $$
declare
    ref constant boolean := 'installation_ref' = any (what);
    words constant boolean := 'text' = any (what);
    changed bigint := 0;
    touched bigint;
begin
    update alerts.alarm a set
        installation_ref = case when ref then null else a.installation_ref end,
        location = case when words and not a.location = any (places) then null else a.location end,
        note = case when 'operator_notes' = any (what) then null else a.note end
    where a.alarm_id = of_alarm and a.state = 'closed' and (
        (ref and a.installation_ref is not null) or (words and not a.location = any (places))
        or ('operator_notes' = any (what) and a.note is not null));
    get diagnostics touched = row_count;
    changed := changed + touched;
    if words then
        update alerts.alarm_event e set body = e.body || jsonb_build_object('text', null)
            || case when (e.body ->> 'location') = any (places) then '{}' else jsonb_build_object('location', null) end
        where e.alarm_id = of_alarm and (e.body ->> 'text' is not null or not (e.body ->> 'location') = any (places));
        get diagnostics touched = row_count;
        changed := changed + touched;
    end if;
    if ref or words then
        -- The body of one id is never another; that of an erased one is no longer whole, and nobody is told it again.
        update alerts.notification n set body = alerts.erased_body(n.body::jsonb, ref, words, places)::text
        where n.alarm_id = of_alarm and alerts.erased_body(n.body::jsonb, ref, words, places) <> n.body::jsonb;
        get diagnostics touched = row_count;
        changed := changed + touched;
    end if;
    return changed;
end $$;
revoke execute on function alerts.erase_alarm from public;

create function alerts.erased_body(body jsonb, ref boolean, words boolean, places text[]) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
    if ref then
        body := jsonb_set(body, '{data,installation_ref}', 'null', false);
    end if;
    if words then
        body := jsonb_set(body, '{data,event,text}', 'null', false);
        if not coalesce((body #>> '{data,location}') = any (places), true) then
            body := jsonb_set(body, '{data,location}', 'null', false);
        end if;
        if not coalesce((body #>> '{data,event,location}') = any (places), true) then
            body := jsonb_set(body, '{data,event,location}', 'null', false);
        end if;
    end if;
    return body;
end $$;
revoke execute on function alerts.erased_body from public;

-- For an erasure that was asked for, of some closed alarms at a time. Returns how many alarms it changed: nought, when there is no more.
create function alerts.erase(erasure uuid, places text[], alarms_max integer default 200) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
    wanted registry.erasure_directory%rowtype;
    each_id uuid;
    changed bigint := 0;
begin
    select * into wanted from registry.erasure_directory d where d.erasure_id = erasure;
    for each_id in
        select a.alarm_id from alerts.alarm a
        where a.device_id = wanted.device_id and a.state = 'closed' and a.received_at <= wanted.asked_at
        order by a.alarm_id for update
    loop
        if alerts.erase_alarm(each_id, wanted.what, places) > 0 then
            changed := changed + 1;
        end if;
        exit when changed >= alarms_max;
    end loop;
    return changed;
end $$;
revoke execute on function alerts.erase from public;
grant execute on function alerts.erase to telecare_alerts;

-- Words that are old enough, of closed alarms only, and never within a month of the closing, whatever it is told.
create function alerts.forget_words(before timestamptz, places text[], alarms_max integer default 200) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
    each_id uuid;
    changed bigint := 0;
    until constant timestamptz := least(before, now() - interval '30 days');
begin
    for each_id in
        select s.alarm_id from (
            select a.alarm_id from alerts.alarm a where a.state = 'closed' and a.note is not null and a.closed_at < until
            union
            select e.alarm_id from alerts.alarm_event e join alerts.alarm a using (alarm_id)
            where e.body ->> 'text' is not null and a.state = 'closed' and a.closed_at < until
            union
            select n.alarm_id from alerts.notification n join alerts.alarm a using (alarm_id)
            where n.body like '%"text":"%' and a.state = 'closed' and a.closed_at < until
        ) s limit alarms_max
    loop
        changed := changed + least(alerts.erase_alarm(each_id, array['text', 'operator_notes'], places), 1);
    end loop;
    return changed;
end $$;
revoke execute on function alerts.forget_words from public;
grant execute on function alerts.forget_words to telecare_alerts;
