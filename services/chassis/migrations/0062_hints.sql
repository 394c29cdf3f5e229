-- A notification is a hint: whoever is not woken looks by himself, within seconds. PostgreSQL keeps them all in one queue of the whole
-- cluster, which anybody who may connect can fill, or hold up by listening in a transaction that he does not end; when it is full,
-- every commit that notifies is refused, and no alarm would be stored. So a hint is left out before that. Who comes at 0.9 has a tenth
-- of the queue until his commit; should that go meanwhile, he is refused, tries again, and leaves it out.

create function chassis.hint(channel text, payload text) returns void language plpgsql as $$
begin
    if pg_notification_queue_usage() < 0.9 then
        perform pg_notify(channel, payload);
    end if;
end $$;

create or replace function chassis.tell_event_log() returns trigger language plpgsql as $$
begin
    perform chassis.hint('event_log', stream) from (select distinct stream from appended) s;
    return null;
end $$;

create or replace function registry.tell_broker() returns trigger language plpgsql as $$
begin
    perform chassis.hint('broker', '');
    return null;
end $$;

create or replace function registry.follow_stage() returns trigger language plpgsql as $$
begin
    if new.stage = 'commissioning' then
        insert into registry.commissioning (device_id, began_at, asked_at) values (new.device_id, new.changed_at, new.changed_at)
        on conflict (device_id) do update
            set began_at = excluded.began_at, asked_at = excluded.asked_at, ended_at = null, restored_at = null;
    else
        update registry.commissioning set ended_at = greatest(new.changed_at, began_at)
        where device_id = new.device_id and ended_at is null;
    end if;
    perform chassis.hint('commissioning', new.device_id);
    return null;
end $$;

create or replace function registry.begin_proof_anew() returns trigger language plpgsql as $$
begin
    update registry.commissioning set
        began_at = greatest(began_at, new.changed_at),
        asked_at = greatest(asked_at, new.changed_at),
        ended_at = case when ended_at is not null then greatest(ended_at, new.changed_at) end
    where device_id = new.device_id;
    perform chassis.hint('commissioning', new.device_id);
    return null;
end $$;
