-- name: size
-- Bytes on disk.
select pg_database_size(current_database());

-- name: standbys
-- Whoever stands by. Of standbys only a member of pg_monitor (or the superuser) sees how far behind they are: `told` says whether we
-- do. One that is level and idle has no lag.
select count(*) as standbys, coalesce(bool_and(state is not null), true) as told,
    coalesce(max(extract(epoch from replay_lag)), 0)::float8 as lag_s
from pg_stat_replication where state is distinct from 'backup';

-- name: wal_kept
-- How much WAL the laggard among the slots keeps from being recycled.
select coalesce(max(pg_wal_lsn_diff(
    case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, restart_lsn)), 0)::float8
from pg_replication_slots;

-- name: notify_queue
-- Of all databases of the cluster together.
select pg_notification_queue_usage();

-- name: backups
-- When each kind of backup was last made, as deploy/backup says it.
select what, extract(epoch from made_at)::float8 as made_at_s from chassis.backup;
