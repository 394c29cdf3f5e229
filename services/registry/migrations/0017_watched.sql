-- Which devices should be heard, and since when: what ingest counts silence from, for one that was never heard.

-- When it last came into a stage in which it should be heard: installed, or in use again. It stays when that ends.
alter table registry.device add column watched_since timestamptz;
update registry.device d
set watched_since = coalesce(
    (select max(c.at) from registry.device_change c
        where c.device_id = d.device_id and c.change in ('installed', 'commissioning', 'live')),
    d.live_at, d.changed_at)
where stage in ('installed', 'commissioning', 'live')
    or exists (select from registry.on_duty o where o.device_id = d.device_id);
alter table registry.device add constraint watched_since_known
    check (stage not in ('installed', 'commissioning', 'live') or watched_since is not null);

-- By whichever way it gets there.
create function registry.watch_begins() returns trigger language plpgsql as $$
begin
    new.watched_since := new.changed_at;
    return new;
end $$;
create trigger watch_begins before insert on registry.device
    for each row when (new.stage in ('installed', 'commissioning', 'live') and new.watched_since is null)
    execute function registry.watch_begins();
create trigger watch_begins_again before update of stage on registry.device
    for each row when (new.stage in ('installed', 'commissioning', 'live') and old.stage not in ('installed', 'commissioning', 'live'))
    execute function registry.watch_begins();

-- Ingest is told of every change of what it goes by, in the transaction of the change and by whichever way it was made. (Of a new device
-- it is told by whoever registers it: ten thousand of them are told of at once.)
create function registry.tell_of_watched() returns trigger language plpgsql as $$
begin
    insert into chassis.event_log (stream, key, urgency, body, created_at, not_before)
    select 'devices', n.device_id, 5,
        jsonb_build_object('device_id', n.device_id, 'council_id', n.council_id,
            'change', case when n.council_id = o.council_id then 'changed' else 'moved' end),
        n.changed_at, n.changed_at
    from after_it n join before_it o using (device_id)
    where (n.council_id, n.stage, n.model, n.postcode_district, n.sim_operator)
        is distinct from (o.council_id, o.stage, o.model, o.postcode_district, o.sim_operator);
    return null;
end $$;
create trigger tell_of_watched after update on registry.device
    referencing old table as before_it new table as after_it for each statement execute function registry.tell_of_watched();

-- Somebody may still live with a box that was replaced, until the one in its place is live.
create function registry.tell_of_duty() returns trigger language plpgsql as $$
begin
    insert into chassis.event_log (stream, key, urgency, body, created_at, not_before)
    select 'devices', d.device_id, 5,
        jsonb_build_object('device_id', d.device_id, 'council_id', d.council_id, 'change', 'duty'), d.changed_at, d.changed_at
    from registry.device d where d.device_id = coalesce(new.device_id, old.device_id);
    return null;
end $$;
create trigger tell_of_duty after insert or delete on registry.on_duty for each row execute function registry.tell_of_duty();

-- Published view: this is a contract, changed like one. `watched_since` null: it need not be heard.
create view registry.watch_directory as
    select d.device_id, d.council_id, d.model, d.postcode_district, d.sim_operator,
        case when d.stage in ('installed', 'commissioning', 'live')
            or exists (select from registry.on_duty o where o.device_id = d.device_id) then d.watched_since end as watched_since
    from registry.device d;
grant select on registry.watch_directory to telecare_alerts, telecare_ingest, telecare_registry;
