-- What commissioning looks at: whether a device went on repeating an alarm, and which devices are heard that nobody registered.

-- A box that has our receipt stops repeating. Counted in the statement that stores alarms, so that "not repeated" is a fact.
alter table ingest.alarm_event
    add column repeats      integer not null default 0 check (repeats >= 0),
    add column repeated_at  timestamptz,
    add constraint alarm_event_repeated check ((repeats = 0) = (repeated_at is null));

-- Set once, when ingest learns of the registration, and never by a heartbeat: those updates stay HOT, and whoever is heard and not
-- registered is found without reading the millions that are.
alter table ingest.liveness add column registered boolean not null default false;
update ingest.liveness l set registered = true from registry.device_directory d where d.device_id = l.device_id;
create index liveness_unregistered on ingest.liveness (council_id) where not registered;

-- Published views: these are contracts, changed like one.
-- `council_id` is the topic's. Ask with device_id and a range of `at` (the device's clock): these two have the index.
create view ingest.device_heartbeat as
    select device_id, council_id, boot_id, seq, at, received_at, battery_pct, mains, signal_dbm, network from ingest.heartbeat;
-- Ask with device_id and a range of received_at.
create view ingest.device_event as
    select event_id, device_id, council_id, kind, status, peripheral_id, test, boot_id, seq, received_at, repeats, repeated_at
    from ingest.alarm_event;
-- The council is the topic's, and may be none of ours.
create view ingest.unregistered_device as
    select device_id, council_id, last_heard_at, mains, signal_dbm from ingest.liveness where not registered and last_heard_at is not null;
grant select on ingest.device_heartbeat, ingest.device_event, ingest.unregistered_device to telecare_registry;
