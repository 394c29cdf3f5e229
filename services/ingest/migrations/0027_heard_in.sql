-- By which council's topic a device is heard, where that is not the council in which it is registered: a shard lets heartbeats through by
-- their topic. Null: by its own, or not yet. Set by heartbeats alone, in the update that they are; no index stands on it.

alter table ingest.liveness add column heard_in text;

-- Published view: this is a contract, changed like one. New columns stand at the end.
create or replace view ingest.watched_device as
    select l.device_id, l.council_id, m.name as model, l.firmware, coalesce(l.sim_operator, l.sim_registered) as sim_operator, l.cell_id,
        l.network, l.postcode_district, l.heard_in
    from ingest.liveness l join ingest.model m using (model_id)
    where l.watched_since is not null;
