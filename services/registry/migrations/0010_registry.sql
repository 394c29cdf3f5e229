-- Councils, hubs and their channels, routing, devices, access tokens; and the views by which the other services read them.

create schema registry;
grant usage on schema registry to telecare_registry, telecare_alerts, telecare_ingest;

create table registry.council (
    council_id      text primary key check (council_id ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(council_id) <= 64),
    name            text not null,
    telecare_users  integer check (telecare_users >= 0),
    analogue_units  integer check (analogue_units >= 0),
    target          integer check (target >= 0),
    target_date     date,
    source          text,
    as_of           date
);

create table registry.hub (
    hub_id      text primary key check (hub_id ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(hub_id) <= 64),
    name        text not null,
    created_at  timestamptz not null
);

create table registry.hub_channel (
    channel_id        uuid primary key,
    hub_id            text not null references registry.hub,
    kind              text not null check (kind in ('webhook', 'mqtt')),
    url               text,
    secret_encrypted  bytea,                  -- Fernet under TELECARE_SECRET_KEY; never returned
    verified_at       timestamptz,            -- a channel counts once verified
    position          smallint not null,
    removed_at        timestamptz,            -- deliveries of the past still name it
    check ((kind = 'webhook') = (url is not null and secret_encrypted is not null))
);
create index hub_channel_hub on registry.hub_channel (hub_id) where removed_at is null;

create table registry.council_route (
    council_id  text not null references registry.council,
    position    smallint not null check (position >= 0),
    hub_id      text not null references registry.hub,
    primary key (council_id, position),
    unique (council_id, hub_id)
);

create table registry.device (
    device_id          text primary key check (device_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    council_id         text not null references registry.council,
    serial             text not null check (length(serial) between 1 and 64),
    model              text not null check (length(model) between 1 and 64),
    postcode_district  text check (postcode_district ~ '^[A-Z]{1,2}[0-9][A-Z0-9]?$'),   -- the finest place kept
    sim_operator       text check (sim_operator ~ '^[0-9]{5,6}$'),
    installation_ref   text check (length(installation_ref) <= 128),
    stage              text not null default 'registered' check (stage in
        ('ordered', 'registered', 'claimed', 'installed', 'commissioning', 'live', 'suspended', 'withdrawn')),
    sole_trigger       text check (length(sole_trigger) <= 32),   -- the peripheral that is the person's only way to call, when known
    registered_at      timestamptz not null,
    changed_at         timestamptz not null,
    live_at            timestamptz
);
create unique index device_serial on registry.device (serial);
create index device_newest on registry.device (registered_at desc, device_id desc);
create index device_council_stage on registry.device (council_id, stage);

create table registry.device_change (
    device_change_id  bigint generated always as identity primary key,
    device_id         text not null references registry.device,
    at                timestamptz not null,
    actor             text not null,
    change            text not null,          -- 'registered', 'patched', or the new stage
    reason            text,
    before            jsonb,
    after             jsonb
);
create index device_change_device on registry.device_change (device_id, device_change_id);

create table registry.access_token (
    access_token_id  uuid primary key,
    name             text not null,
    sha256           bytea not null unique check (length(sha256) = 32),   -- the token itself is 256 random bits: no salt needed
    role             text not null check (role in ('ops', 'engineer', 'hub', 'viewer')),
    hub_id           text references registry.hub check ((role = 'hub') = (hub_id is not null)),
    councils         text[] check (councils is null or role = 'engineer'),
    created_at       timestamptz not null,
    expires_at       timestamptz,
    revoked_at       timestamptz
);

grant select, insert, update, delete on all tables in schema registry to telecare_registry;
revoke update, delete on registry.device_change from telecare_registry;     -- history is only ever added to

-- Published views: these are contracts, changed like one.
create view registry.device_directory as
    select device_id, council_id, stage, model, sim_operator, postcode_district, installation_ref, sole_trigger from registry.device;
create view registry.council_directory as select council_id, name from registry.council;
create view registry.hub_directory as select hub_id, name from registry.hub;
create view registry.route_directory as select council_id, position, hub_id from registry.council_route;
create view registry.channel_directory as
    select channel_id, hub_id, kind, url, secret_encrypted, verified_at, position from registry.hub_channel where removed_at is null;
create view registry.access_directory as
    select sha256, name, role, hub_id, councils, expires_at from registry.access_token where revoked_at is null;

grant select on registry.device_directory, registry.council_directory, registry.hub_directory, registry.route_directory,
    registry.channel_directory, registry.access_directory to telecare_alerts, telecare_ingest, telecare_registry;

-- Scotland's 32 councils.
insert into registry.council (council_id, name) values
    ('aberdeen-city', 'Aberdeen City'), ('aberdeenshire', 'Aberdeenshire'), ('angus', 'Angus'), ('argyll-and-bute', 'Argyll and Bute'),
    ('clackmannanshire', 'Clackmannanshire'), ('dumfries-and-galloway', 'Dumfries and Galloway'), ('dundee-city', 'Dundee City'),
    ('east-ayrshire', 'East Ayrshire'), ('east-dunbartonshire', 'East Dunbartonshire'), ('east-lothian', 'East Lothian'),
    ('east-renfrewshire', 'East Renfrewshire'), ('city-of-edinburgh', 'City of Edinburgh'), ('falkirk', 'Falkirk'), ('fife', 'Fife'),
    ('glasgow-city', 'Glasgow City'), ('highland', 'Highland'), ('inverclyde', 'Inverclyde'), ('midlothian', 'Midlothian'),
    ('moray', 'Moray'), ('na-h-eileanan-siar', 'Na h-Eileanan Siar'), ('north-ayrshire', 'North Ayrshire'),
    ('north-lanarkshire', 'North Lanarkshire'), ('orkney-islands', 'Orkney Islands'), ('perth-and-kinross', 'Perth and Kinross'),
    ('renfrewshire', 'Renfrewshire'), ('scottish-borders', 'Scottish Borders'), ('shetland-islands', 'Shetland Islands'),
    ('south-ayrshire', 'South Ayrshire'), ('south-lanarkshire', 'South Lanarkshire'), ('stirling', 'Stirling'),
    ('west-dunbartonshire', 'West Dunbartonshire'), ('west-lothian', 'West Lothian');
