-- Times in which nobody heard the devices. Told of one at a time, whichever process notices: a second row that is open can't be stored.
create table alerts.blindness (
    blindness_id  uuid primary key,                                          -- the event's that told that it began
    shards        text[] not null check (cardinality(shards) > 0),           -- of ingest, as far as they were known to be deaf
    began_at      timestamptz not null,
    told_at       timestamptz not null,
    heard_since   timestamptz check (heard_since >= told_at),                -- all are heard again, perhaps not for long
    ended_at      timestamptz check (ended_at >= heard_since),
    check (ended_at is null or heard_since is not null)
);
create unique index blindness_open on alerts.blindness ((true)) where ended_at is null;
grant select, insert, update on alerts.blindness to telecare_alerts;
