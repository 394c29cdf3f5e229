-- Published view: the faults of devices (priority 3 and 4) that nobody has closed, for the rollout's report. Found by
-- alarm_queue, which holds only what is not closed.
create view alerts.open_fault as
    select alarm_id, device_id, council_id, kind, priority, received_at, repair_due_at
    from alerts.alarm where state <> 'closed' and priority in (3, 4);
grant select on alerts.open_fault to telecare_registry;
