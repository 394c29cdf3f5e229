-- What managers' dashboards may read: figures, no device and no person. By a role of its own that can do nothing else, and that whoever
-- runs Grafana gives to a login of theirs: create role grafana login password '…' in role telecare_grafana.
do $$
begin
    if not exists (select from pg_roles where rolname = 'telecare_grafana') then
        create role telecare_grafana nologin;
    end if;
exception when duplicate_object or unique_violation then null;  -- another database of this cluster made it just now
end $$;

-- Published view: the programme's aim that is in force.
create view registry.rollout_aim as
    select target, target_date, source, set_at from registry.programme order by programme_id desc limit 1;

-- Published view: each council as it stands. Live by what the weeks come to, as everywhere; on the way by the register.
create view registry.rollout_council as
    select c.council_id, c.name, c.telecare_users, c.target, c.target_date,
        coalesce(w.live, 0)::integer as live, coalesce(w.unheard, 0)::integer as unheard, coalesce(s.on_the_way, 0)::integer as on_the_way,
        coalesce(n.silent, 0) as silent, greatest(c.analogue_units - coalesce(n.analogue_replaced, 0), 0) as analogue_left
    from registry.council c
    left join (
        select council_id, sum(entered - "left") filter (where stage = 'live') as live,
            sum(entered - "left") filter (where stage = 'unheard') as unheard
        from registry.rollout_week group by council_id
    ) as w using (council_id)
    left join (
        select council_id, count(*) as on_the_way from registry.device
        where stage in ('registered', 'claimed', 'installed', 'commissioning') group by council_id
    ) as s using (council_id)
    left join registry.rollout_now n using (council_id);

grant usage on schema registry to telecare_grafana;
grant select on registry.rollout_history, registry.rollout_aim, registry.rollout_council to telecare_grafana;
