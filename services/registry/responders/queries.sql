-- name: lock_council
-- One change of a council's responders at a time: two would mix their order.
select council_id from registry.council where council_id = $1 for update;

-- name: council_exists
select exists (select from registry.council where council_id = $1);

-- name: responders
select responder_id, council_id, position, kind, name_encrypted, address_encrypted, rota::text as rota, verified_at, created_at
from registry.responder
where council_id = $1 and removed_at is null
order by position, responder_id;

-- name: lock_responders
-- A code that is entered just now is heard before or after a change of the address, and lost by none.
select responder_id from registry.responder where council_id = $1 and removed_at is null order by responder_id for update;

-- name: add_responder
insert into registry.responder
    (responder_id, kind, name_encrypted, address_encrypted, rota, verified_at, council_id, position, created_at)
values ($1, $2, $3, $4, $5::text::jsonb, $6, $7, $8, $9);

-- name: change_responder
update registry.responder
set kind = $2, name_encrypted = $3, address_encrypted = $4, rota = $5::text::jsonb, verified_at = $6
where responder_id = $1;

-- name: put_order
-- Only what moves is written.
update registry.responder r set position = wanted.position - 1
from unnest($1::uuid[]) with ordinality as wanted(responder_id, position)
where r.responder_id = wanted.responder_id and r.position <> wanted.position - 1;

-- name: forget_code
delete from registry.verification where channel_id = $1;

-- name: remove_responder
-- Marked and not deleted: deliveries of the past still name it. Who it was is needed no more, and is made unreadable.
update registry.responder set removed_at = $2, name_encrypted = '', address_encrypted = ''
where responder_id = $1;
