#!/bin/sh
# Run once, by the image, when the database is new: the role and the database of telecare, and the extension, which only the
# superuser may make. `telecare migrate` makes everything else. (The password is in no command: those are seen by the whole host.)
set -eu
psql --set ON_ERROR_STOP=1 <<'SQL'
\set password `cat /run/secrets/telecare_database_password`
create role telecare login createrole password :'password';
create database telecare owner telecare;
\connect telecare
create extension if not exists timescaledb;
\i /etc/telecare/superuser.sql
SQL
