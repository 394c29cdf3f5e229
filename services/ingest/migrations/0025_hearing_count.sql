-- How many of the watched devices are heard as often as they should be, by all that they share at once: whoever looks for what the missing
-- ones have in common must be able to look again without them. Nothing was counted until now.

drop view ingest.hearing;
drop table ingest.hearing_count;

-- '' stands for a model or operator that nobody knows, or that is one of too many to count each.
create table ingest.hearing_count (
    shard         text not null,               -- by which their heartbeats come
    council_id    text not null,
    model         text not null,
    sim_operator  text not null,
    counted_at    timestamptz not null,
    expected      integer not null check (expected >= 0),                       -- watched for one and a half of their intervals
    heard         integer not null check (heard between 0 and expected),        -- within these
    silent        integer not null check (silent between 0 and expected - heard),   -- not, and told of as silent already
    late          integer not null check (late between 0 and expected - heard - silent),
    primary key (shard, council_id, model, sim_operator)
);
grant select, insert, update, delete on ingest.hearing_count to telecare_ingest;

-- Published view: this is a contract, changed like one. Counted every half minute; what we could not hear for some time, since or until a
-- moment ago, is counted no further: `counted_at` stands still.
create view ingest.hearing as
    select shard, council_id, model, sim_operator, expected, heard, silent, late, counted_at from ingest.hearing_count;
grant select on ingest.hearing to telecare_alerts, telecare_registry;
