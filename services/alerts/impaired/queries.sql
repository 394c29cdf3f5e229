-- name: ears
-- How far each shard of ingest has heard that ever did. By the database's clock, like `at`.
select shard, heard_until, clock_timestamp() as at from chassis.shard
where service = 'ingest' and heard_until is not null order by shard;

-- name: shards
-- All of ingest's, those included that nobody ever worked. By the database's clock, like `at`.
select shard, lane, filters, subscribed, generation, heard_until, clock_timestamp() as at from chassis.shard where service = 'ingest' order by shard;

-- name: councils
select council_id from registry.council_directory;

-- name: heard_elsewhere
-- Councils of which devices are heard by another's topics, and which that is. Some pairs, and mostly none.
select council_id, heard_in from ingest.heard_elsewhere order by council_id, heard_in;

-- name: watched_there
-- Of these councils ($1), in which there is a device that should be heard, and is not by another's topics ($2: those that somebody hears).
select c.council_id from unnest($1::text[]) as c (council_id)
where exists (
    select from registry.watch_directory w
    where w.council_id = c.council_id and w.watched_since is not null and not exists (
        select from ingest.watched_device d where d.device_id = w.device_id and d.heard_in = any ($2::text[])));

-- name: contacts
-- Every way to a hub that counts.
select channel_id::text as channel, hub_id, kind, url, secret_encrypted, previous_secret_encrypted, address_encrypted
from registry.channel_directory where verified_at is not null and not of_canary order by hub_id, position;

-- name: begin
-- Null: another process told of one that is not over yet. Pages that are open are read again.
insert into alerts.blindness (blindness_id, shards, began_at, told_at, about) values ($1, $2, $3, $4, $5)
on conflict do nothing returning true, chassis.hint('impaired', '');

-- name: open_blindness
select blindness_id, shards, began_at, told_at, heard_since from alerts.blindness where ended_at is null and about = $1 for update;

-- name: told
-- The one that lasts, as it was told.
select blindness_id, shards, began_at, told_at from alerts.blindness where ended_at is null and about = 'deaf';

-- name: last_told
-- Which was the last, over or not; and the last lapse that was written down. A database that was away for so long that hubs were told
-- leaves one, whoever of us lives to say what he told.
select (select blindness_id from alerts.blindness where about = 'deaf' order by told_at desc, blindness_id limit 1) as blindness_id,
    (select max(hearing_lapse_id) from chassis.hearing_lapse) as lapse_id;

-- name: hears_again
-- By the clock as it is now, whatever it said when it was told: nothing waits until it is that late again.
update alerts.blindness set heard_since = $2 where blindness_id = $1;

-- name: deaf_again
update alerts.blindness set heard_since = null where blindness_id = $1 and heard_since is not null;

-- name: widen
-- It goes on as another, of more.
update alerts.blindness set heard_since = $2, ended_at = $2 where blindness_id = $1;

-- name: end
update alerts.blindness set ended_at = greatest(heard_since, $2) where blindness_id = $1 returning chassis.hint('impaired', '');

-- name: hearing
-- How many devices are heard of those that should be, as ingest counted them last. Some thousand rows at most, however many cells there
-- are: ingest names only those that are badly heard.
select shard, council_id, model, sim_operator, cell, postcode_district, firmware, network, expected, heard, silent, counted_at
from ingest.hearing_by_share;

-- name: one_at_a_time
-- Until the transaction ends, whoever judges degraded hearing. Nothing rests on it but that two need not wait for each other's rows.
select pg_try_advisory_xact_lock(1209135270, 3);

-- name: degraded
-- What fewer are heard of than should be.
select attribute, value, low_since, told_at, council_id from alerts.degraded_hearing order by low_since, attribute, value;

-- name: silent_outages
-- By what we count hearing by.
select case attribute when 'council_id' then 'council' when 'cell_id' then 'cell' else attribute end as attribute, value
from alerts.outage where closed_at is null and condition = 'silent';

-- name: low
insert into alerts.degraded_hearing (attribute, value, low_since) values ($1, $2, $3) on conflict do nothing;

-- name: not_low
delete from alerts.degraded_hearing where attribute = $1 and value = $2 and low_since = $3 and told_at is null;

-- name: tell_degraded
-- Null: another process told it.
update alerts.degraded_hearing set told_at = greatest($4, low_since), council_id = $5
where attribute = $1 and value = $2 and low_since = $3 and told_at is null
returning true;

-- name: end_degraded
-- Null: another process told that.
delete from alerts.degraded_hearing where attribute = $1 and value = $2 and low_since = $3 and told_at is not null returning true;
