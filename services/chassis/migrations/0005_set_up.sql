-- Since when there is a shard. One that nobody ever worked has not heard since then: whoever is to be heard by it was not, and is not silent.
-- Of those that there are already it is not known; whether they have ever heard, is.

alter table chassis.shard add column created_at timestamptz not null default clock_timestamp();
