-- Published view: the devices that are watched, each with what an outage may be named by, as far as anybody knows it.
create or replace view ingest.watched_device as
    select d.device_id, d.council_id, d.model, null::text as firmware, d.sim_operator, null::text as cell_id, null::text as network,
        d.postcode_district
    from registry.device_directory d
    where d.stage in ('installed', 'commissioning', 'live');
grant select on ingest.watched_device to telecare_alerts, telecare_registry;
