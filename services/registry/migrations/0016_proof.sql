-- A proof is of one unit of one model.

-- Whoever changes which unit or which model a device is, by whichever way: what was seen before is no evidence any more. A session that
-- has ended stays so; what is seen from now on counts nevertheless, for a device that is live on somebody's word.
create function registry.begin_proof_anew() returns trigger language plpgsql as $$
begin
    update registry.commissioning set
        began_at = greatest(began_at, new.changed_at),
        asked_at = greatest(asked_at, new.changed_at),
        ended_at = case when ended_at is not null then greatest(ended_at, new.changed_at) end
    where device_id = new.device_id;
    perform pg_notify('commissioning', new.device_id);
    return null;
end $$;
create trigger commissioning_begins_anew after update of serial, model on registry.device
    for each row when (old.serial <> new.serial or lower(old.model) <> lower(new.model))
    execute function registry.begin_proof_anew();

-- A device that was replaced and whose successor is not live yet: somebody may still live with it, so the broker still lets it in. It
-- gets here when it is replaced, never when it was withdrawn first: that one may be stolen.
create table registry.on_duty (
    device_id  text primary key references registry.device,
    successor  text not null references registry.device check (successor <> device_id),
    since      timestamptz not null
);
create index on_duty_successor on registry.on_duty (successor);
grant select, insert, update, delete on registry.on_duty to telecare_registry;

-- Whoever goes live relieves those whose place it took, and the broker is told. If another takes its place first, they wait for that
-- one; if it is withdrawn, they stay: it may have been the wrong box, or a broken one. What is reinstated has proved nothing.
create function registry.relieve() returns trigger language plpgsql as $$
declare
    relieving text;
begin
    if old.stage = 'withdrawn' and new.stage <> 'withdrawn' then
        delete from registry.commissioning where device_id = new.device_id;
    end if;
    if new.replaced_by is not null and old.replaced_by is null then
        update registry.on_duty set successor = new.replaced_by where successor = new.device_id;
        if old.stage <> 'withdrawn' then
            insert into registry.on_duty (device_id, successor, since) values (new.device_id, new.replaced_by, new.changed_at);
        end if;
        select device_id into relieving from registry.device where device_id = new.replaced_by and stage in ('live', 'suspended');
    elsif new.stage = 'live' then
        relieving := new.device_id;
    end if;
    if relieving is not null then
        with relieved as (delete from registry.on_duty where successor = relieving returning device_id)
        update registry.broker_user set version = version + 1 where username in (select device_id from relieved);
    end if;
    return null;
end $$;
create trigger relief after update of stage, replaced_by on registry.device
    for each row when (old.stage <> new.stage or old.replaced_by is distinct from new.replaced_by)
    execute function registry.relieve();

-- Devices are listed by council, newest first, and exported by council in the order of their ids, at two million of them too.
create index device_newest_of_council on registry.device (council_id, registered_at desc, device_id desc);
create index device_of_council on registry.device (council_id, device_id);
