-- Beside a blindness (they were heard, and are no longer) there is what was never heard at all: a shard that nobody ever worked, a council
-- that no shard's filters let through. It may last for long, and must not hide a blindness that comes meanwhile: one of each may be open.

alter table alerts.blindness add column about text not null default 'deaf' check (about in ('deaf', 'unheard'));
drop index alerts.blindness_open;
create unique index blindness_open on alerts.blindness (about) where ended_at is null;
