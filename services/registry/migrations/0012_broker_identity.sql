-- Who may come to the broker: a device with a credential of its own, whoever holds a claim, a council's enrolment, a hub.
-- This is the truth; the broker's own register is made to say the same (services/registry/broker). Nothing here is a password.

-- A one-time code by which a unit shows that it is the one with this serial. It lives an hour unless told otherwise, a week at most.
create table registry.claim (
    claim_id      uuid primary key,
    device_id     text not null references registry.device,
    serial        text not null check (serial ~ '^[A-Za-z0-9._~:-]{1,64}$'),        -- it is a segment of a topic
    code_sha256   bytea not null unique check (length(code_sha256) = 32),          -- of 128 bits: no salt needed
    created_at    timestamptz not null,
    created_by    text not null,
    expires_at    timestamptz not null,
    nonce_sha256  bytea check (length(nonce_sha256) = 32),                         -- whose it became: the same nonce gets the same answer
    exchanged_at  timestamptz,
    refused_at    timestamptz,                                                     -- the first time that somebody came with another nonce
    revoked_at    timestamptz,
    constraint claim_is_short check (expires_at > created_at and expires_at <= created_at + interval '7 days'),
    constraint claim_is_used_whole check ((nonce_sha256 is null) = (exchanged_at is null)),
    constraint claim_is_used_in_time check (exchanged_at < expires_at)
);
-- A device has one claim that counts.
create unique index claim_current on registry.claim (device_id) where revoked_at is null;

-- Everybody whom the broker shall know but ourselves. `version` grows with whatever changes what the broker shall do, in the transaction
-- of the fact; `applied_version` follows when the broker has been told. `secret_id` names the password: of a device's, only the
-- hash is here, in the broker's own format; all others follow from the id and from a key that is in no database.
create table registry.broker_user (
    username           text primary key,
    kind               text not null check (kind in ('device', 'claim', 'enrolment', 'hub')),
    subject            text not null check (length(subject) between 1 and 64),     -- device, serial, council or hub: the segment of its topics
    secret_id          uuid not null,
    applied_secret_id  uuid,                                                       -- the password that the broker was given last
    password_sha512    bytea check (length(password_sha512) = 64),                 -- PBKDF2-HMAC-SHA-512
    salt               bytea check (length(salt) between 12 and 64),
    iterations         integer check (iterations between 1 and 10000000),
    secret_sha256      bytea check (length(secret_sha256) = 32),                   -- an enrolment's, for the gate
    expires_at         timestamptz,
    made_at            timestamptz not null,
    made_by            text not null,
    revoked_at         timestamptz,
    version            bigint not null default 1,
    applied_version    bigint not null default 0 check (applied_version <= version),
    missing_since      timestamptz,                                                -- the broker lost it, and we cannot give it a password
    constraint user_is_named_after_its_subject check (username = case kind when 'device' then subject else kind || ':' || subject end),
    constraint device_has_a_hash check (
        (kind = 'device' and num_nulls(password_sha512, salt, iterations) = 0)
        or (kind <> 'device' and num_nonnulls(password_sha512, salt, iterations) = 0)),
    constraint enrolment_can_be_checked check ((kind = 'enrolment') = (secret_sha256 is not null)),
    constraint claim_expires check ((kind = 'claim') = (expires_at is not null))
);
create index broker_user_due on registry.broker_user (username) where applied_version <> version;
create index broker_user_expires on registry.broker_user (expires_at) where expires_at is not null;

grant select, insert, update, delete on registry.claim to telecare_registry;
grant select, insert, update, delete on registry.broker_user to telecare_registry;

-- Whoever waits to tell the broker is told that there is something to tell.
create function registry.tell_broker() returns trigger language plpgsql as $$
begin
    perform pg_notify('broker', '');
    return null;
end $$;
create trigger tell after insert or update of version on registry.broker_user
    for each statement execute function registry.tell_broker();

-- Whoever changes a device, by whichever way: one that is withdrawn is shut out, and a claim for a serial that is no longer its own is void.
create function registry.device_changes_at_the_broker() returns trigger language plpgsql as $$
begin
    update registry.claim set revoked_at = new.changed_at where device_id = new.device_id and revoked_at is null;
    update registry.broker_user set version = version + 1
    where username in (new.device_id, 'claim:' || old.serial);
    return null;
end $$;
create trigger broker after update of stage, serial on registry.device
    for each row when ((old.stage = 'withdrawn') is distinct from (new.stage = 'withdrawn') or old.serial is distinct from new.serial)
    execute function registry.device_changes_at_the_broker();

-- Requests of units that have no credential of their own yet.
grant select, update on chassis.shard to telecare_registry;
grant select, insert, update on chassis.session_gap to telecare_registry;
insert into chassis.shard (shard, service, lane, client_id, filters) values
    ('provisioning', 'registry', 'provisioning', 'telecare-registry-provisioning', array['telecare/v1/provisioning/+/request']);

-- Published views: these are contracts, changed like one. Which devices have a credential of their own, and since when.
create view registry.credential_directory as
    select u.subject as device_id, u.made_at, u.applied_secret_id is not distinct from u.secret_id as at_broker
    from registry.broker_user u where u.kind = 'device' and u.revoked_at is null;
grant select on registry.credential_directory to telecare_alerts, telecare_ingest, telecare_registry;
