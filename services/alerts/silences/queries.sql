-- name: council_exists
select exists (select from registry.council_directory where council_id = $1);

-- name: routed
-- Whether a council's alarms go to this hub.
select exists (select from registry.route_directory where council_id = $1 and hub_id = $2);

-- name: device_in_council
-- Registered there; or a stranger of which alarms of this council have come. A silence of any other device would hold back nothing.
select exists (select from registry.device_directory where device_id = $1 and council_id = $2)
    or not exists (select from registry.device_directory where device_id = $1)
        and exists (select from alerts.alarm where device_id = $1 and council_id = $2);

-- name: start
-- Consoles are told at commit.
with started as (
    insert into alerts.silence (silence_id, council_id, device_id, postcode_district, priorities, reason, operator, hub_id,
        starts_at, ends_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    returning *
)
select *, chassis.hint('silence', '') from started;

-- name: end
-- Only one that lasts: who ended it first stays. Consoles are told at commit.
with ended as (
    update alerts.silence set ends_at = greatest($2, starts_at), ended_by = $3 where silence_id = $1 and ends_at > $2
    returning *
)
select *, chassis.hint('silence', '') from ended;

-- name: wake_held_back
-- What a silence of this council holds back is looked at now: it is told, unless another silence still lasts.
update alerts.alarm set wake_at = least(wake_at, $2) where council_id = $1 and silenced_until is not null and state <> 'closed';

-- name: get
-- As far as it is the asker's business: a hub ($2) has what it made, and what is of councils that are routed to it.
select * from alerts.silence s
where s.silence_id = $1
    and ($2::text is null or s.hub_id = $2
        or exists (select from registry.route_directory r where r.council_id = s.council_id and r.hub_id = $2))
    and ($3::text[] is null or s.council_id = any ($3));

-- name: list
-- Newest first, from a cursor ($4, $5); $6 asks for those that last ($1), or that are over.
select * from alerts.silence s
where ($2::text is null or s.hub_id = $2
        or exists (select from registry.route_directory r where r.council_id = s.council_id and r.hub_id = $2))
    and ($3::text[] is null or s.council_id = any ($3))
    and ($4::timestamptz is null or (s.starts_at, s.silence_id) < ($4, $5::uuid))
    and ($6::boolean is null or (s.ends_at > $1) = $6)
order by s.starts_at desc, s.silence_id desc
limit $7;

-- name: active_by_council
-- Of every council, so that its gauge is 0 when the last one is over.
select c.council_id, count(s.silence_id) as active
from registry.council_directory c left join alerts.silence s on s.council_id = c.council_id and s.ends_at > $1
group by c.council_id;
