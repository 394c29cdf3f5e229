-- Who is signed in to the pages, whichever service's they are: one sign-in for all.

-- A person's shift at a screen. The cookie is stored hashed. There are two ways in, and each session knows its own:
-- with a token, also hashed, and while that one is good, so is the session; or through an identity provider, and then role, hub and
-- councils are what its claims were mapped to, asked again every few minutes with the refresh token (encrypted).
create table chassis.session (
    session_id               uuid primary key,
    sha256                   bytea not null unique check (length(sha256) = 32),    -- of the cookie: 256 random bits, no salt needed
    operator                 text not null check (length(operator) between 1 and 128),
    token_sha256             bytea check (length(token_sha256) = 32),
    issuer                   text check (length(issuer) between 1 and 512),
    subject                  text check (length(subject) between 1 and 255),
    account                  text check (length(account) between 1 and 255),       -- the actor in histories
    role                     text check (role in ('ops', 'engineer', 'hub', 'viewer')),
    hub_id                   text,
    councils                 text[] check (councils is null or role = 'engineer'),
    state_sha256             bytea unique check (length(state_sha256) = 32),       -- an answer of the provider opens one session
    refresh_token_encrypted  bytea,
    checked_at               timestamptz,                                           -- when the provider last said that this is so
    check_at                 timestamptz,                                           -- when it is asked next; null: it can't be
    created_at               timestamptz not null,
    seen_at                  timestamptz not null,                                  -- to within a minute
    expires_at               timestamptz not null check (expires_at > created_at),
    ended_at                 timestamptz,                                           -- signed out, or told to end, before that
    check ((role = 'hub') = (hub_id is not null)),
    check (case when token_sha256 is null
        then num_nulls(issuer, subject, account, role, state_sha256, checked_at) = 0
        else num_nonnulls(issuer, subject, account, role, hub_id, councils, state_sha256, refresh_token_encrypted,
            checked_at, check_at) = 0 end),
    check ((refresh_token_encrypted is null) = (check_at is null))
);
create index session_expiry on chassis.session (expires_at);
create index session_to_check on chassis.session (check_at) where check_at is not null and ended_at is null;

grant select, insert, update, delete on chassis.session to telecare_ingest, telecare_alerts, telecare_registry;
