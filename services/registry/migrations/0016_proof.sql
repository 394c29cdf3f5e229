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
