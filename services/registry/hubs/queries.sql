-- name: hubs_page
-- `$3` limits the list to one hub, for that hub's own callers.
select hub_id, name, created_at from registry.hub
where ($1::timestamptz is null or (created_at, hub_id) < ($1, $2::text)) and ($3::text is null or hub_id = $3)
order by created_at desc, hub_id desc
limit $4;

-- name: hub
select hub_id, name, created_at from registry.hub where hub_id = $1;

-- name: lock_hub
-- One change of a hub at a time, of one that does not exist yet too: two would mix their channels.
select pg_advisory_xact_lock(hashtextextended('registry.hub ' || $1::text, 0));

-- name: put_hub
-- `xmax` is nought in a row just inserted.
insert into registry.hub (hub_id, name, created_at) values ($1, $2, $3)
on conflict (hub_id) do update set name = excluded.name
returning (xmax = 0) as created;

-- name: channels
select channel_id, hub_id, kind, url, verified_at from registry.hub_channel
where hub_id = any($1::text[]) and removed_at is null
order by hub_id, position, channel_id;

-- name: add_channel
insert into registry.hub_channel (channel_id, hub_id, kind, url, secret_encrypted, verified_at, position)
values ($1, $2, $3, $4, $5, $6, $7);

-- name: change_channel
-- Without a new secret the old one stays; a channel verified once keeps its day unless told that it is not.
update registry.hub_channel
set secret_encrypted = coalesce($2, secret_encrypted),
    verified_at = case when $3::boolean is null then verified_at when $3 then coalesce(verified_at, $4) end,
    position = $5
where channel_id = $1;

-- name: remove_channels
-- Marked and not deleted: deliveries of the past still name them.
update registry.hub_channel set removed_at = $2 where channel_id = any($1::uuid[]);
