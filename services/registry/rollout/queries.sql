-- name: counts
-- Over the index on (council_id, stage) alone.
select council_id, stage, count(*) as devices from registry.device group by council_id, stage;

-- name: councils
select council_id, name, telecare_users, target from registry.council order by council_id;
