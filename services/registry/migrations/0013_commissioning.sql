-- Commissioning: since when a device is being tried, what it was told to do meanwhile, and requests that may come twice.

-- One row per device that was ever commissioned; open while the device is in that stage. Written by the trigger below, so that no way
-- into or out of the stage misses it. History is in registry.device_change.
create table registry.commissioning (
    device_id    text primary key references registry.device,
    began_at     timestamptz not null,
    asked_at     timestamptz not null check (asked_at >= began_at),    -- when somebody last asked it to report often
    ended_at     timestamptz check (ended_at >= began_at),
    restored_at  timestamptz check (restored_at is null or ended_at is not null)   -- when it was told to report as usual again
);
create index commissioning_open on registry.commissioning (asked_at) where ended_at is null;
create index commissioning_unrestored on registry.commissioning (ended_at) where ended_at is not null and restored_at is null;

create function registry.follow_stage() returns trigger language plpgsql as $$
begin
    if new.stage = 'commissioning' then
        insert into registry.commissioning (device_id, began_at, asked_at) values (new.device_id, new.changed_at, new.changed_at)
        on conflict (device_id) do update
            set began_at = excluded.began_at, asked_at = excluded.asked_at, ended_at = null, restored_at = null;
    else
        update registry.commissioning set ended_at = greatest(new.changed_at, began_at)
        where device_id = new.device_id and ended_at is null;
    end if;
    perform pg_notify('commissioning', new.device_id);
    return null;
end $$;
create trigger commissioning_begins after insert on registry.device
    for each row when (new.stage = 'commissioning') execute function registry.follow_stage();
create trigger commissioning_follows after update of stage on registry.device
    for each row when (old.stage <> new.stage and (new.stage = 'commissioning' or old.stage = 'commissioning'))
    execute function registry.follow_stage();
insert into registry.commissioning (device_id, began_at, asked_at)
    select device_id, changed_at, changed_at from registry.device where stage = 'commissioning';

-- What a device was told to do. Pending until the broker has taken it for a session of the device, or it is of no use any more.
create table registry.command (
    command_id  uuid primary key,
    device_id   text not null references registry.device,
    name        text not null check (name in ('report_now', 'set_heartbeat_interval')),
    args        jsonb not null check (jsonb_typeof(args) = 'object'),
    created_at  timestamptz not null,
    expires_at  timestamptz not null check (expires_at > created_at),
    state       text not null default 'pending' check (state in ('pending', 'sent', 'expired')),
    due_at      timestamptz check ((state = 'pending') = (due_at is not null)),
    attempts    integer not null default 0,
    sent_at     timestamptz check ((state = 'sent') = (sent_at is not null))
);
create index command_due on registry.command (due_at) where state = 'pending';
create index command_device on registry.command (device_id, created_at desc);

-- A request that is sent again, because its answer was lost on the way, is answered as it was the first time. `caller` is a digest of
-- whose key it is: the same key of somebody else is another key. Without an answer: it is being answered.
create table registry.idempotency_key (
    caller       bytea not null check (length(caller) = 32),
    key          text not null check (length(key) between 1 and 128),
    sha256       bytea not null check (length(sha256) = 32),       -- of method, path and body
    started_at   timestamptz not null,
    answered_at  timestamptz,
    status       smallint,
    headers      jsonb,
    answer       bytea,                                            -- encrypted under TELECARE_SECRET_KEY
    primary key (caller, key),
    check (num_nulls(answered_at, status, headers, answer) in (0, 4))
);
create index idempotency_key_started on registry.idempotency_key (started_at);

grant select, insert, update, delete on registry.commissioning, registry.command, registry.idempotency_key to telecare_registry;
