-- name: councils_page
-- Councils have no age, so the list is in order of their ids.
select c.council_id, c.name, c.telecare_users, c.analogue_units, c.target, c.target_date, c.source, c.as_of, c.sources,
    array(select r.hub_id from registry.council_route r where r.council_id = c.council_id order by r.position) as hubs
from registry.council c
where ($1::text is null or c.council_id > $1) and c.council_id <> 'canary'
order by c.council_id
limit $2;

-- name: council
select c.council_id, c.name, c.telecare_users, c.analogue_units, c.target, c.target_date, c.source, c.as_of, c.sources,
    array(select r.hub_id from registry.council_route r where r.council_id = c.council_id order by r.position) as hubs
from registry.council c
where c.council_id = $1;

-- name: put_council
-- The whole of what a council tells: what is not said any more is null again.
update registry.council
set telecare_users = $2, analogue_units = $3, target = $4, target_date = $5, source = $6, as_of = $7, sources = $8
where council_id = $1
returning council_id;
