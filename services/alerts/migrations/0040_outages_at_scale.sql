-- Outages of hundreds of thousands: their members move some at a time, and their lists do not stay for ever.

-- Has members that are not its own any more: it has another name, is part of another, or is over. They leave some at a time, each time in
-- a transaction; whoever decides next goes on with it, whatever became of who began.
alter table alerts.outage add column unsorted boolean not null default false;
create index outage_unsorted on alerts.outage (condition, opened_at) where unsorted;

-- How many were asked after is counted whenever somebody looks.
create index outage_member_contacted on alerts.outage_member (outage_id, council_id) where contacted_at is not null;

-- How many are of a hub's councils. By council first: with the outage first, the server takes it for as good a way to one member as the
-- primary key while it knows nothing of the table, and reads half a million entries to find one device.
drop index alerts.outage_member_council;
create index outage_member_council on alerts.outage_member (council_id, outage_id);

-- Which outages were over before a time.
create index outage_closed on alerts.outage (closed_at) where closed_at is not null;

-- Who was exposed, and who asked after them, of outages that were over before then; a bounded number, and never within a year, whatever it
-- is told. The outage itself stays, with its counts, and so do an open one's members.
create function alerts.forget_members(before timestamptz, members_max integer default 5000) returns bigint
language sql security definer set search_path = '' as $$
    with gone as (
        delete from alerts.outage_member m where (m.outage_id, m.device_id) in (
            select o.outage_id, each.device_id
            from alerts.outage o cross join lateral (
                select k.device_id from alerts.outage_member k where k.outage_id = o.outage_id limit members_max) each
            where o.closed_at < least(before, now() - interval '365 days')
            limit members_max)
        returning 1
    )
    select count(*) from gone
$$;
revoke execute on function alerts.forget_members from public;
grant execute on function alerts.forget_members to telecare_alerts;

-- *Measured*: of what it cost to make a device a member, these two looks at whether its outage exists were more than half. Each statement
-- that names a member's outage takes it from the outage's own row, and nobody has the right to delete one.
alter table alerts.affected drop constraint affected_outage_id_fkey;
alter table alerts.outage_member drop constraint outage_member_outage_id_fkey;
