-- What only the superuser may say of telecare's database, in it; it may be said again and again. Debian's `install` does at each run, with
-- containers the database when it is new and `prepare` later. What of it is the database's own deploy/restore says, too: it is in no dump.

-- Nobody of ours has large objects; with them Grafana's login could fill the disk.
revoke execute on function lo_creat(int), lo_create(oid), lo_from_bytea(oid, bytea), lo_put(oid, bigint, bytea), lowrite(int, bytea) from public;

-- Nor does that login write into the server's log, of which `raise log` or an error makes a hundred megabytes a second. Whoever owns the
-- database may say so of a login (`telecare grafana login`); of those that were made before it is said here.
do $$
declare
    statement text;
begin
    execute format('grant set on parameter log_min_messages to %I', (select pg_get_userbyid(datdba) from pg_database where datname = current_database()));
    for statement in
        select format('alter role %I set log_min_messages = panic', r.rolname)
        from pg_auth_members m join pg_roles g on g.oid = m.roleid join pg_roles r on r.oid = m.member
        where g.rolname = 'telecare_grafana' and r.rolcanlogin and not (r.rolsuper or r.rolcreaterole or r.rolcreatedb)
            and not exists (select from pg_auth_members o where o.member = r.oid and o.roleid <> g.oid)
    loop
        execute statement;
    end loop;
end $$;
