-- name: councils_are_there
-- Proves in one look that the database answers, is migrated, and lets this role in.
select exists (select from registry.council);
