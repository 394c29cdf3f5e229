-- name: lock_council
-- One routing of a council at a time: two would leave a mixture, or number two policies alike.
select council_id from registry.council where council_id = $1 for update;

-- name: routing
select c.council_id, c.technical_hub,
    array(select r.hub_id from registry.council_route r where r.council_id = c.council_id order by r.position) as hubs
from registry.council c where c.council_id = $1;

-- name: unknown_hubs
select wanted.hub_id from unnest($1::text[]) as wanted(hub_id)
where not exists (select from registry.hub h where h.hub_id = wanted.hub_id);

-- name: clear_routing
delete from registry.council_route where council_id = $1;

-- name: put_routing
-- In the order given: the first hub is the first to be told.
insert into registry.council_route (council_id, position, hub_id)
select $1, wanted.position - 1, wanted.hub_id from unnest($2::text[]) with ordinality as wanted(hub_id, position);

-- name: put_technical_hub
update registry.council set technical_hub = $2 where council_id = $1;

-- name: policy_in_force
-- The council's latest, else the default.
select policy_id, council_id, version, body::text as body, created_at, created_by from registry.policy
where council_id = $1 or policy_id = $2
order by council_id nulls last, version desc limit 1;

-- name: add_policy
-- Versions are only ever added; the council is locked, so that no two get one number.
insert into registry.policy (council_id, version, body, created_at, created_by)
select $1, coalesce(max(version), 0) + 1, $2::text::jsonb, $3, $4 from registry.policy where council_id = $1;

-- name: policies_page
-- A council's own, latest first. The cursor is a version as text of one length, which orders as the number does.
select policy_id, council_id, version, body::text as body, created_at, created_by from registry.policy
where council_id = $1 and ($2::text is null or lpad(version::text, 10, '0') < $2)
order by version desc limit $3;
