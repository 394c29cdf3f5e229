-- name: login
-- A role of that name, and whether it is more than a login that reads figures.
select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as powerful,
    exists (
        select from pg_auth_members m join pg_roles r on r.oid = m.roleid
        where m.member = pg_roles.oid and r.rolname <> 'telecare_grafana'
    ) as member_of_others
from pg_roles where rolname = $1::text;

-- name: create_login
select format('create role %I login password %L', $1::text, $2::text);

-- name: alter_login
select format('alter role %I login password %L', $1::text, $2::text);

-- name: grant_login
-- The verifier is not used: one shape for all.
select format('grant telecare_grafana to %I', $1::text) where $2::text is not null;

-- name: bound_login
-- A panel that asks for too much is to hold nobody up. The first two are defaults that a session may change, and whoever may look at
-- panels may send statements; what it can't is more sessions than these, and temp_file_limit (deploy/postgresql).
select format('alter role %1$I set default_transaction_read_only = on; alter role %1$I set statement_timeout = ''30s''; alter role %1$I connection limit 5', $1::text)
where $2::text is not null;

-- name: quiet_login
-- What keeps it out of the server's log, into which any statement could write without end; nothing where that was said before. A session
-- can't lift it: the parameter is the superuser's, and whose the superuser lets.
select format('alter role %I set log_min_messages = panic', rolname) from pg_roles
where rolname = $1::text and not coalesce('log_min_messages=panic' = any(rolconfig), false);
