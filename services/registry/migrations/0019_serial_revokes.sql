-- A credential is of the unit that exchanged a claim for it, and the claim was bound to that unit's serial. Another serial is another
-- unit: what the earlier one was given opens nothing any more, until the new one has exchanged a claim of its own. (A live device keeps
-- its serial, `domain/proof.py`: so nobody who lives with a box is shut out by this.)
create or replace function registry.device_changes_at_the_broker() returns trigger language plpgsql as $$
begin
    update registry.claim set revoked_at = new.changed_at where device_id = new.device_id and revoked_at is null;
    update registry.broker_user set version = version + 1,
        revoked_at = case when kind = 'device' and old.serial is distinct from new.serial
            then coalesce(revoked_at, new.changed_at) else revoked_at end
    where username in (new.device_id, 'claim:' || old.serial);
    return null;
end $$;
