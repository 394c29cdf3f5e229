-- name: hubs_page
-- `$3` limits the list to one hub, for that hub's own callers.
select hub_id, name, created_at, record_url_template from registry.hub
where ($1::timestamptz is null or (created_at, hub_id) < ($1, $2::text)) and ($3::text is null or hub_id = $3)
order by created_at desc, hub_id desc
limit $4;

-- name: hub
select hub_id, name, created_at, record_url_template from registry.hub where hub_id = $1;

-- name: lock_hub
-- One change of a hub at a time, of one that does not exist yet too: two would mix their channels.
select pg_advisory_xact_lock(hashtextextended('registry.hub ' || $1::text, 0));

-- name: put_hub
-- `xmax` is nought in a row just inserted.
insert into registry.hub (hub_id, name, record_url_template, created_at) values ($1, $2, $3, $4)
on conflict (hub_id) do update set name = excluded.name, record_url_template = excluded.record_url_template
returning (xmax = 0) as created;

-- name: channels
select channel_id, hub_id, kind, url, address_encrypted, secret_encrypted, previous_secret_encrypted, previous_secret_until,
    verified_at
from registry.hub_channel
where hub_id = any($1::text[]) and removed_at is null
order by hub_id, position, channel_id;

-- name: lock_channels
-- A code that is entered just now is heard before or after a change of the channels, and lost by none.
select channel_id from registry.hub_channel where hub_id = $1 and removed_at is null order by channel_id for update;

-- name: add_channel
insert into registry.hub_channel (channel_id, hub_id, kind, url, address_encrypted, secret_encrypted, verified_at, position)
values ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: change_channel
update registry.hub_channel
set url = $2, address_encrypted = $3, secret_encrypted = $4, previous_secret_encrypted = $5, previous_secret_until = $6,
    verified_at = $7, position = $8
where channel_id = $1;

-- name: forget_code
delete from registry.verification where channel_id = $1;

-- name: remove_channels
-- Marked and not deleted: deliveries of the past still name them. What it was reached by is needed no more, nor is a code.
with void as (delete from registry.verification where channel_id = any($1::uuid[]))
update registry.hub_channel
set removed_at = $2, previous_secret_encrypted = null, previous_secret_until = null,
    secret_encrypted = case when secret_encrypted is not null then ''::bytea end,
    address_encrypted = case when address_encrypted is not null then ''::bytea end
where channel_id = any($1::uuid[]);
