-- name: audit_page
-- Newest first; `$1`, `$2` the last one seen. Of the indexes on time, person and subject the planner takes the narrowest.
select audit_id, at, request_id, via, who, operator, role, hub_id, action, subject_kind, subject, outcome, status, detail
from chassis.audit_log
where ($1::timestamptz is null or (at, audit_id) < ($1, $2::bigint))
    and ($3::timestamptz is null or at >= $3)
    and ($4::timestamptz is null or at < $4)
    and ($5::text is null or who = $5 or operator = $5)
    and ($6::text is null or subject = $6)
    and ($7::text is null or request_id = $7)
order by at desc, audit_id desc
limit $8;

-- name: forget_audit
select chassis.forget_audit($1);
