-- name: principals_of_tokens
-- Through the published view, which leaves revoked tokens out; expiry is judged by the caller's clock, cached or not.
select sha256, name, role, hub_id, councils, expires_at from registry.access_directory where sha256 = any($1::bytea[]);
