-- Temporary tables lie on the disk that alarms are stored on, and PostgreSQL lets everybody make them who may connect, Grafana's login too.
-- Of ours only ingest does (it stages heartbeats), and who owns the database. A dump has nothing of this: deploy/restore says it again.
do $$
begin
    execute format('grant temporary on database %I to telecare_ingest', current_database());
    execute format('revoke temporary on database %I from public', current_database());
end $$;
