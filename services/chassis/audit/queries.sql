-- name: add
-- Some rows in one statement, and so in one transaction.
insert into chassis.audit_log
    (at, request_id, via, who, operator, role, hub_id, action, subject_kind, subject, outcome, status, detail)
select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::smallint[], $13::jsonb[]);
