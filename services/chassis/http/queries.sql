-- name: principal_of_token
-- Through the published view, which leaves revoked tokens out; expiry is judged by the caller's clock, cached or not.
select name, role, hub_id, councils, expires_at from registry.access_directory where sha256 = $1;
