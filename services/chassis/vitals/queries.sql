-- name: database
-- Bytes on disk, whoever stands by, and how much WAL the laggard among the slots keeps from being recycled. Of standbys only a
-- member of pg_monitor (or the superuser) sees how far behind they are: `told` says whether we do. One that is level and idle has no lag.
select pg_database_size(current_database()) as size_bytes, standby.standbys, standby.told, standby.lag_s, slot.wal_kept_bytes
from (
    select count(*) as standbys, coalesce(bool_and(state is not null), true) as told,
        coalesce(max(extract(epoch from replay_lag)), 0)::float8 as lag_s
    from pg_stat_replication where state is distinct from 'backup'
) as standby
cross join (
    select coalesce(max(pg_wal_lsn_diff(
        case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, restart_lsn)), 0)::float8 as wal_kept_bytes
    from pg_replication_slots
) as slot;

-- name: backups
-- When each kind of backup was last made, as deploy/backup says it.
select what, extract(epoch from made_at)::float8 as made_at_s from chassis.backup;
