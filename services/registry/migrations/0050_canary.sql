-- The canary: a council, a hub and devices that are nobody's, by which an alarm's whole way is tried every minute (services/canary).
-- They are reserved by their ids. What is theirs stays among themselves: no home's alarm is delivered by reaching the canary, no real
-- hub is told of its tests, and no figure of the rollout counts it.

insert into registry.council (council_id, name) values ('canary', 'Canary (nobody lives here)');

alter table registry.council_route add check ((council_id = 'canary') = (hub_id = 'canary'));
alter table registry.council add check (technical_hub is distinct from 'canary');
alter table registry.device add check (council_id <> 'canary' or stage in ('registered', 'claimed', 'withdrawn'));

create or replace view registry.council_directory as
    select council_id, name from registry.council where council_id <> 'canary';

-- `of_canary`: is told of its own council's tests, and never counts as one of the hubs.
create or replace view registry.channel_directory as
    select channel_id, hub_id, kind, url, secret_encrypted, previous_secret_encrypted, previous_secret_until, address_encrypted,
        verified_at, position, hub_id = 'canary' as of_canary
    from registry.hub_channel where removed_at is null;

create or replace view registry.rollout_history as
    with place as (select distinct council_id, stage from registry.rollout_week where council_id <> 'canary'),
        span as (select min(week) as first, greatest(max(week), date_trunc('week', now() at time zone 'Europe/London')::date) as last
                 from registry.rollout_week)
    select w.week, p.council_id, p.stage,
        sum(coalesce(r.entered - r."left", 0)) over (partition by p.council_id, p.stage order by w.week)::integer as devices,
        coalesce(r.entered, 0) as entered, coalesce(r."left", 0) as "left", coalesce(r.first, 0) as first,
        coalesce(r.replaced, 0) as replaced
    from span
    cross join lateral (select span.first + n * 7 as week from generate_series(0, (span.last - span.first) / 7) as n) as w
    cross join place as p
    left join registry.rollout_week r on (r.week, r.council_id, r.stage) = (w.week, p.council_id, p.stage);
