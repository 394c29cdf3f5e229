-- Sessions are the chassis' now, for the pages of all services (chassis/0002). Whoever is signed in signs in once more.
truncate alerts.console_presence;
alter table alerts.console_presence drop constraint console_presence_session_id_fkey,
    add foreign key (session_id) references chassis.session on delete cascade;
drop table alerts.console_session;
