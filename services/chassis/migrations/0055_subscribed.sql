-- What a shard's session at the broker is subscribed to, which is not yet what its filters say when somebody has just changed them.

-- Granted by the broker, by its SUBACK. Null: nobody has said so; a release before this one works it, and then it counts as its filters.
alter table chassis.shard add column subscribed text[];

-- Null: it heard nothing of all that comes by the shard. Else only of what these topic filters let through.
alter table chassis.hearing_lapse add column filters text[] check (cardinality(filters) > 0);
