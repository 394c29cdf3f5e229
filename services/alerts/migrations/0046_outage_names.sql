-- What an outage is named by goes to hubs and to a page: it is short, and has no control characters in it. `domain/outages/naming.py` says
-- what a name is, and is stricter; this is what no mistake of ours gets past.

-- One that has another name has it no more. Who is its member by that name is loose, and looked at anew.
update alerts.outage set value = 'unreadable ' || left(md5(value), 12), unsorted = unsorted or closed_at is null
where length(value) > 64 or value ~ '[\x01-\x1f\x7f-\x9f]';
update alerts.outage set told_value = 'unreadable ' || left(md5(told_value), 12)
where length(told_value) > 64 or told_value ~ '[\x01-\x1f\x7f-\x9f]';
alter table alerts.outage add constraint outage_has_a_clean_name check (length(value) <= 64 and value !~ '[\x01-\x1f\x7f-\x9f]');

-- How many members flap is counted with how many there are, each second, and from the index alone.
drop index alerts.affected_member;
create index affected_member on alerts.affected (outage_id) include (flapping) where ended_at is null and outage_id is not null;
