-- Published view: this is a contract, changed like one. The devices that should be heard, each with what an outage may be named by, as
-- far as anybody knows it. Whoever asks counts them all, so it is one table and a small one.
create view ingest.watched_device as
    select l.device_id, l.council_id, m.name as model, l.firmware, coalesce(l.sim_operator, l.sim_registered) as sim_operator, l.cell_id,
        l.network, l.postcode_district
    from ingest.liveness l join ingest.model m using (model_id)
    where l.watched_since is not null;
grant select on ingest.watched_device to telecare_alerts, telecare_registry;
