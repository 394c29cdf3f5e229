-- Who did what, and who looked at what is about a person: only ever added to. No personal data of those at home, and no secret: ids and
-- names of members of staff.
create table chassis.audit_log (
    audit_id      bigint generated always as identity primary key,
    at            timestamptz not null,
    request_id    text not null check (request_id ~ '^[A-Za-z0-9_.:-]{1,64}$'),    -- as in the logs, and in the answer's X-Request-ID
    via           text not null check (via in ('api', 'page', 'door', 'mqtt', 'command line', 'service')),
    who           text not null check (length(who) between 1 and 200),             -- the token's name, or whoever signed in
    operator      text check (length(operator) <= 200),                            -- the name that was given at the door
    role          text,
    hub_id        text,
    action        text not null check (length(action) between 1 and 200),          -- 'PUT /api/v1/hubs/{hub_id}', 'token create', 'sign in'
    subject_kind  text check ((subject_kind is null) = (subject is null)),
    subject       text check (length(subject) <= 200),
    -- 'asked' is on the disk before anything is done; what became of it follows. Of a look, only what did not come of it.
    outcome       text not null check (outcome in ('asked', 'done', 'refused', 'failed')),
    status        smallint,
    detail        jsonb check (jsonb_typeof(detail) = 'object' and length(detail::text) <= 4000)
);
create index audit_log_at on chassis.audit_log (at, audit_id);
create index audit_log_who on chassis.audit_log (who, at);
create index audit_log_subject on chassis.audit_log (subject, at) where subject is not null;

-- Services add, and the registry reads. Nobody has the right to change a row or to take one away; and should an owner of the
-- database try in a hurry, this is in the way. Rows older than a year may go: by the function below.
grant insert on chassis.audit_log to telecare_ingest, telecare_alerts, telecare_registry;
grant select on chassis.audit_log to telecare_registry;

create function chassis.audit_log_stays() returns trigger language plpgsql set search_path = '' as $$
begin
    if tg_op = 'DELETE' and old.at < now() - interval '365 days' then
        return old;
    end if;
    raise exception 'the audit log is only added to' using errcode = 'insufficient_privilege';
end $$;
create trigger stays before update or delete on chassis.audit_log for each row execute function chassis.audit_log_stays();
create trigger stays_whole before truncate on chassis.audit_log for each statement execute function chassis.audit_log_stays();

-- By its owner's right, and never what is younger than a year, whatever it is told. A bounded number; returns how many.
create function chassis.forget_audit(before timestamptz, rows_max integer default 5000) returns bigint
language sql security definer set search_path = '' as $$
    with gone as (
        delete from chassis.audit_log where audit_id in (
            select audit_id from chassis.audit_log
            where at < least(before, now() - interval '366 days') order by at, audit_id limit rows_max)
        returning 1
    )
    select count(*) from gone
$$;
revoke execute on function chassis.forget_audit from public;
grant execute on function chassis.forget_audit to telecare_registry;
