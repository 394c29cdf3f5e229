-- name: councils_page
-- Councils have no age, so the list is in order of their ids.
select c.council_id, c.name, c.telecare_users, c.analogue_units, c.target, c.target_date, c.source, c.as_of,
    array(select r.hub_id from registry.council_route r where r.council_id = c.council_id order by r.position) as hubs
from registry.council c
where $1::text is null or c.council_id > $1
order by c.council_id
limit $2;

-- name: council
select c.council_id, c.name, c.telecare_users, c.analogue_units, c.target, c.target_date, c.source, c.as_of,
    array(select r.hub_id from registry.council_route r where r.council_id = c.council_id order by r.position) as hubs
from registry.council c
where c.council_id = $1;

-- name: put_council
-- The whole of what a council tells: what is not said any more is null again.
update registry.council
set telecare_users = $2, analogue_units = $3, target = $4, target_date = $5, source = $6, as_of = $7
where council_id = $1
returning council_id;

-- name: lock_council
-- One routing of a council at a time: two would leave a mixture.
select council_id from registry.council where council_id = $1 for update;

-- name: unknown_hubs
select wanted.hub_id from unnest($1::text[]) as wanted(hub_id)
where not exists (select from registry.hub h where h.hub_id = wanted.hub_id);

-- name: clear_routing
delete from registry.council_route where council_id = $1;

-- name: put_routing
-- In the order given: the first hub is the first to be told.
insert into registry.council_route (council_id, position, hub_id)
select $1, wanted.position - 1, wanted.hub_id from unnest($2::text[]) with ordinality as wanted(hub_id, position);
