-- By which councils' topics the watched devices of a council are heard, where that is another council than the register's: pairs of
-- councils, and not devices. Kept by whoever counts hearing, out of what it counts anyway; whoever asks need not look at the fleet.
create table ingest.elsewhere (
    council_id  text not null,     -- in which they are registered
    heard_in    text not null,     -- by whose topics they were heard last
    primary key (council_id, heard_in),
    check (heard_in <> council_id)
);
grant select, insert, delete on ingest.elsewhere to telecare_ingest;

-- Published view: this is a contract, changed like one. As they were counted last: up to a minute ago.
create view ingest.heard_elsewhere as select council_id, heard_in from ingest.elsewhere;
grant select on ingest.heard_elsewhere to telecare_alerts;
