-- An outage of which some do not return: a person is called for those who are left, and once they are few each is told of by itself.

-- How many were affected when that last changed by a tenth, and when that was; null: not looked at yet. And when a person was last called.
alter table alerts.outage add column mark integer check (mark >= 0);
alter table alerts.outage add column moved_at timestamptz;
alter table alerts.outage add column called_at timestamptz;
alter table alerts.outage add constraint outage_mark_has_its_time check ((mark is null) = (moved_at is null));

-- How it ended: nearly all were back, nobody came back any more, or it was part of another; and how many were affected still, each of whom
-- was told of by itself, or is of another outage. Null of those that ended before this was kept.
alter table alerts.outage add column closed_as text check (closed_as in ('returned', 'stalled', 'merged'));
alter table alerts.outage add column left_behind integer check (left_behind >= 0);
alter table alerts.outage add constraint outage_ended_if_it_says_how check (closed_at is not null or num_nonnulls(closed_as, left_behind) = 0);

-- The alarm about those who are left, one for each council ('': of no council) in which there are some. `ended_at`: it was told that it is
-- over, for nobody of the council is left, or the outage is closed.
create table alerts.outage_call (
    outage_id  uuid not null,
    council_id text not null,
    called_at  timestamptz not null,
    homes      integer not null check (homes > 0),
    ended_at   timestamptz,
    primary key (outage_id, council_id)
);
grant select, insert, update on alerts.outage_call to telecare_alerts;
