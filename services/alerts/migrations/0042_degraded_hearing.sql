-- What fewer devices are heard of than should be: a shard's, an operator's, a model's, a council's. Kept from the first count that says so,
-- so that whoever restarts knows for how long that has been; people are told of some, each once.
create table alerts.degraded_hearing (
    attribute   text not null check (attribute in ('shard', 'sim_operator', 'council', 'model')),
    value       text not null check (value <> ''),
    low_since   timestamptz not null,               -- by the count; the event's id follows from it
    told_at     timestamptz check (told_at >= low_since),
    council_id  text check (council_id is null or told_at is not null),      -- whose alone they were when it was told
    primary key (attribute, value)
);
grant select, insert, update, delete on alerts.degraded_hearing to telecare_alerts;
