-- Degraded hearing by cell, postcode district, firmware and network. There are tens of thousands of cells: only of those values of which
-- fewer devices are heard than should be it is stored how many are, by all that is shared at once. `hearing_count` stays as it is, and whole.

-- '' stands for a value that nobody knows or that is well heard. One of the four is not ''.
create table ingest.hearing_named (
    shard              text not null,
    council_id         text not null,
    model              text not null,
    sim_operator       text not null,
    cell               text not null,
    postcode_district  text not null,
    firmware           text not null,
    network            text not null,
    counted_at         timestamptz not null,
    expected           integer not null check (expected >= 0),
    heard              integer not null check (heard between 0 and expected),
    silent             integer not null check (silent between 0 and expected - heard),
    primary key (shard, council_id, model, sim_operator, cell, postcode_district, firmware, network),
    check (cell <> '' or postcode_district <> '' or firmware <> '' or network <> '')
);
grant select, insert, update, delete on ingest.hearing_named to telecare_ingest;

-- Published view: this is a contract, changed like one. Every device that `ingest.hearing` counts, once: with the names of what it shares
-- that is badly heard, or among the rest of its group. A release that knows no names counts the groups alone: then there is only a rest.
create view ingest.hearing_by_share as
    with named as (
        select n.* from ingest.hearing_named n
        join ingest.hearing_count c using (shard, council_id, model, sim_operator)
        where c.counted_at = n.counted_at
    )
    select shard, council_id, model, sim_operator, cell, postcode_district, firmware, network, expected, heard, silent, counted_at
    from named
    union all
    select shard, council_id, model, sim_operator, '', '', '', '', c.expected - coalesce(n.expected, 0),
        c.heard - coalesce(n.heard, 0), c.silent - coalesce(n.silent, 0), c.counted_at
    from ingest.hearing_count c
    left join (
        select shard, council_id, model, sim_operator, sum(expected)::integer as expected, sum(heard)::integer as heard,
            sum(silent)::integer as silent
        from named group by shard, council_id, model, sim_operator
    ) n using (shard, council_id, model, sim_operator)
    where n.expected is null or n.expected < c.expected;
grant select on ingest.hearing_by_share to telecare_alerts;
