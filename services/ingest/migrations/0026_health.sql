-- Devices' own health: verdicts are kept, and nobody looks them up by an index, so that they are updates in place as heartbeats are.

drop index ingest.liveness_ailing;
-- Ailment -> [stage, since]; null: none (services/ingest/domain/health.py).
alter table ingest.liveness add constraint health_of_ailments
    check (health is null or (jsonb_typeof(health) = 'object' and health <> '{}'::jsonb));
