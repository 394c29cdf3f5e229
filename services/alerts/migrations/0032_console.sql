-- The hub console: who is signed in, and who is looking at which alarm.

-- An operator's shift at a screen. The cookie is stored hashed; so is the token that was signed in with, and while that one is good,
-- so is the session: a token that is revoked ends it.
create table alerts.console_session (
    session_id    uuid primary key,
    sha256        bytea not null unique check (length(sha256) = 32),       -- of the cookie: 256 random bits, no salt needed
    token_sha256  bytea not null check (length(token_sha256) = 32),
    operator      text not null check (length(operator) between 1 and 128),
    created_at    timestamptz not null,
    expires_at    timestamptz not null check (expires_at > created_at),
    ended_at      timestamptz                                                -- signed out before that
);
create index console_session_expiry on alerts.console_session (expires_at);

-- Who looks at an alarm right now: kept alive every few seconds, worth nothing after 15. No foreign key to the alarm: its check
-- would lock the alarm's row against the very people who act on it.
create table alerts.console_presence (
    alarm_id    uuid not null,
    session_id  uuid not null references alerts.console_session on delete cascade,
    operator    text not null,
    seen_at     timestamptz not null,
    primary key (alarm_id, session_id)
);
create index console_presence_seen on alerts.console_presence (seen_at);

grant select, insert, update, delete on alerts.console_session, alerts.console_presence to telecare_alerts;

-- The queue in the order in which it is shown, and what was closed last.
create index alarm_queue on alerts.alarm (state, priority, received_at) where state <> 'closed';
create index alarm_closed on alerts.alarm (closed_at desc) where state = 'closed';
