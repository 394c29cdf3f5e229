"""Service health: for whoever is on call. Do we hear, do we keep up, and does what we stand on hold?"""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.source.parts import ANY_IS_BAD, ANY_IS_ODD, Part, Prom, Says, curves, figure, page


def service() -> Dashboard:
    about = "For whoever is on call: do we hear, do we keep up, and does what we stand on hold?"
    return page("telecare-service", "Telecare: service health", about, (_hearing(), _work(), _ground(), _records()))


def _hearing() -> Part:
    return Part(
        "Do we hear?",
        (
            curves(
                Says(
                    33,
                    "How far behind we hear",
                    "For how long nothing that devices sent has been stored for certain, by shard of ingest. Above 5 s no device is called "
                    "silent, above 15 s every hub is told.",
                    "s",
                    steps=((None, "green"), (5, "orange"), (15, "red")),
                ),
                Prom("max by (shard) (telecare_hearing_lag_seconds)", "{{shard}}"),
            ),
            curves(
                Says(
                    59,
                    "Backlog",
                    "How old what waits is: at ingest for its commit, at alerts to become an alarm.",
                    "s",
                    steps=((None, "green"), (8, "orange")),
                ),
                Prom("telecare:backlog_age_seconds:max", "{{at}}"),
            ),
            figure(
                Says(
                    14,
                    "Session gaps in 24 h",
                    "Times in which the broker may have lost what it held for us. Receipts make alarms good; heartbeats stay lost.",
                    *("short", 4, 8, ANY_IS_ODD),
                ),
                Prom("sum(increase(telecare_session_gaps_total[24h]))", now=True),
            ),
            figure(
                Says(
                    70,
                    "Blind by ingest's own word",
                    "1 while ingest holds that nobody listens. *Hearing* on the board of alarms goes by alerts and by absence as well.",
                    *("short", 4, 8, ANY_IS_BAD),
                ),
                Prom("max(telecare_monitoring_blind)", now=True),
            ),
            figure(
                Says(
                    81,
                    "Without a canary",
                    "Shards of alarms that there are and no canary tries; 1 where nobody tells of either. Above 0 for five minutes somebody is woken.",
                    *("short", 4, 8, ANY_IS_BAD),
                ),
                Prom(
                    'count(max by (shard) (telecare_shard_info{lane="alarm"}) '
                    "unless max by (shard) (telecare_canary_last_success_timestamp_seconds)) "
                    'or 0 * count(telecare_shard_info{lane="alarm"}) or absent(telecare_canary_last_success_timestamp_seconds)',
                    now=True,
                ),
            ),
            curves(
                Says(
                    53,
                    "Canary",
                    "How long ago each shard's synthetic device had its press back from a hub. Above three minutes somebody is woken.",
                    *("s", 12, 8),
                    steps=((None, "green"), (120, "orange"), (180, "red")),
                ),
                Prom("telecare:canary_age_seconds", "{{shard}}"),
            ),
            curves(
                Says(
                    77,
                    "Canary's round trip",
                    "From the press of a synthetic device until its hub was told, over broker, ingest, database and alerts: the 99th percentile.",
                    *("s", 12, 8),
                    steps=((None, "green"), (15, "orange")),
                ),
                Prom(
                    "histogram_quantile(0.99, sum by (le, shard) (rate(telecare_canary_round_trip_seconds_bucket[10m])))",
                    "{{shard}}",
                ),
            ),
            curves(
                Says(
                    78,
                    "Canary's presses",
                    "In ten minutes: delivered within 15 s, late, lost (not within a minute) or unsent (no broker to give it to).",
                    *("short", 12, 8),
                ),
                Prom("sum by (shard, outcome) (increase(telecare_canary_presses_total[10m]))", "{{shard}} {{outcome}}"),
            ),
            curves(
                Says(
                    85,
                    "Sessions that nobody has",
                    "For how long no process has had the MQTT session by which hubs' actions (hub-actions) or units' claims (provisioning) are "
                    "heard. They wait at the broker meanwhile. Above a minute ops are told.",
                    *("s", 24, 6),
                    steps=((None, "green"), (60, "orange")),
                ),
                Prom("max by (shard) (telecare_session_away_seconds)", "{{shard}}"),
            ),
        ),
    )


def _work() -> Part:
    return Part(
        "Do we keep up?",
        (
            figure(
                Says(
                    22,
                    "Audit",
                    "Kinds of work of which some waits longer than it ever should. Anything but 0 is a fault of ours: /readyz says what.",
                    *("short", 6, 8, ANY_IS_BAD),
                ),
                Prom("telecare:audit_violations:max", now=True),
            ),
            curves(
                Says(
                    23,
                    "Overdue for",
                    "For how long the work that has waited longest has been due, by kind: the auditor has a bound for each. And since when "
                    "nobody has audited: it does every 5 s.",
                    *("s", 9, 8),
                ),
                Prom("max by (what) (telecare_audit_overdue_seconds)", "{{what}}"),
                Prom("min(telecare_audit_age_seconds)", "not audited"),
            ),
            curves(
                Says(
                    13,
                    "Time to store a batch",
                    "From taking a batch out of the session to its commit: the 99th percentile by lane.",
                    *("s", 9, 8),
                ),
                Prom(
                    "histogram_quantile(0.99, sum by (le, lane) (rate(telecare_store_duration_seconds_bucket[5m])))",
                    "{{lane}}",
                ),
            ),
            curves(
                Says(
                    71,
                    "A look at silence",
                    "The slowest look in a hundred at who fell silent and who is heard again.",
                    "s",
                ),
                Prom(
                    "histogram_quantile(0.99, sum by (le) (rate(telecare_liveness_pass_seconds_bucket[5m])))", "a look"
                ),
            ),
            curves(
                Says(
                    34,
                    "Requests limited",
                    "Requests a second that were answered with 429, by the measure that was used up: what a token or session reads or does, "
                    "and what strangers of one address ask for. TELECARE_REQUESTS_PER_S sets it.",
                    "reqps",
                ),
                Prom("sum by (rule) (rate(telecare_http_requests_limited_total[5m]))", "{{rule}}"),
            ),
        ),
    )


def _ground() -> Part:
    return Part(
        "Does what we stand on hold?",
        (
            curves(
                Says(
                    86,
                    "Not ready",
                    "How many things keep a service of some process from being ready, as its /readyz says: a database or a broker that is away, a "
                    "loop that fails, nobody who could be told. Of a loop that fails the figures stand still.",
                    *("short", 12, 8),
                    steps=ANY_IS_BAD,
                ),
                Prom('max by (instance, service) (telecare_unready{job="telecare"})', "{{service}} {{instance}}"),
            ),
            curves(
                Says(
                    87,
                    "Starts of processes",
                    "How often each was started anew within a quarter of an hour. More than three, or one each time, are no upgrade.",
                    *("short", 12, 8),
                    steps=((None, "green"), (4, "orange")),
                ),
                Prom('max by (instance) (changes(process_start_time_seconds{job="telecare"}[15m]))', "{{instance}}"),
            ),
            curves(
                Says(
                    88,
                    "What a process can't look after",
                    "For how long a loop of a process's own fails: it asks after the database, the clock, certificates. What it told stands still, "
                    "or is told no more.",
                    *("s", 24, 6),
                    steps=((None, "green"), (300, "orange")),
                ),
                Prom(
                    'max by (instance, loop) (telecare_loop_failing_seconds{job="telecare"})', "{{loop}} {{instance}}"
                ),
            ),
            figure(
                Says(
                    54,
                    "Processes scraped",
                    "Of our processes that there were within the hour, standbys too, those that Prometheus can ask. It should be all.",
                    *("percentunit", 4, 8),
                    steps=((None, "red"), (1, "green")),
                ),
                Prom(
                    'clamp_max(sum(up{job="telecare"}) / max_over_time(min_over_time(telecare:processes:count[5m])[1h:1m]), 1) '
                    "or vector(0)",
                    now=True,
                ),
            ),
            curves(
                Says(
                    51,
                    "Thrown away by the broker",
                    "Messages that the broker dropped after it had said PUBACK, in ten minutes. Alarms are repeated; heartbeats are lost.",
                    *("short", 10, 8, ANY_IS_BAD),
                ),
                Prom("max(increase(telecare_broker_messages_dropped_total[10m]))", "dropped"),
            ),
            curves(
                Says(
                    72,
                    "Waiting in the broker",
                    "What waits in the broker's queues. It grows while ingest is away.",
                    *("bytes", 10, 8),
                ),
                Prom("max(telecare_broker_stored_bytes)", "waiting"),
            ),
            curves(
                Says(
                    73,
                    "Connected to the broker",
                    "Clients that are connected: devices, hubs, and ourselves.",
                    *("short", 8, 8),
                ),
                Prom("max(telecare_broker_clients)", "clients"),
            ),
            figure(
                Says(
                    55,
                    "Certificates end in",
                    "How long until the first certificate of each file ends, and what each listener really presents: three weeks are told, three days wake somebody.",
                    *("s", 8, 8),
                    steps=((None, "red"), (3 * 86400, "orange"), (21 * 86400, "green")),
                ),
                Prom("min by (file) (telecare_certificate_expiry_timestamp_seconds) - time()", "{{file}}", now=True),
                Prom(
                    "min by (listener) (telecare_listener_certificate_expiry_timestamp_seconds) - time()",
                    "{{listener}}",
                    now=True,
                ),
            ),
            figure(
                Says(
                    56,
                    "Database's disk free",
                    "Of the file system that TELECARE_DATABASE_DISK names. Below a tenth somebody is woken.",
                    *("percentunit", 8, 8),
                    steps=((None, "red"), (0.1, "orange"), (0.25, "green")),
                ),
                Prom("telecare:database_disk_free:ratio", now=True),
            ),
            curves(
                Says(
                    74,
                    "Database size",
                    "What the database takes on disk, and the WAL that the slowest slot keeps.",
                    *("bytes", 9, 8),
                ),
                Prom("max(telecare_database_size_bytes)", "size"),
                Prom("max(telecare_database_wal_kept_bytes)", "WAL kept"),
            ),
            curves(
                Says(57, "Standbys", "Standbys that are connected to the database.", *("short", 5, 8)),
                Prom("max(telecare_database_standbys)", "standbys"),
            ),
            curves(
                Says(
                    75,
                    "Standby behind",
                    "How far the slowest standby is behind.",
                    *("s", 5, 8),
                    steps=((None, "green"), (60, "orange")),
                ),
                Prom("max(telecare_database_replication_lag_seconds)", "behind"),
            ),
            figure(
                Says(
                    91,
                    "Notifications",
                    "How much of the database's queue of notifications is taken. From 0.9 on we leave ours out, so that alarms are stored all the same.",
                    *("percentunit", 5, 8),
                    steps=((None, "green"), (0.5, "orange"), (0.9, "red")),
                ),
                Prom("max(telecare_database_notify_queue_ratio)", now=True),
            ),
            figure(
                Says(
                    82,
                    "Newest backup",
                    "How long ago a backup was made: without-heartbeats each hour (after six somebody is woken), all of it each night (after 26).",
                    *("s", 12, 6),
                    steps=((None, "green"), (26 * 3600, "red")),
                ),
                Prom("time() - max by (what) (telecare_backup_timestamp_seconds)", "{{what}}", now=True),
                own_steps={"without-heartbeats": ((None, "green"), (6 * 3600, "red"))},
            ),
            curves(
                Says(
                    83,
                    "Could not be told",
                    "Calls within a quarter of an hour in which Alertmanager told nobody, by the way that it tried; of ways in use. "
                    "Any wakes somebody, by each way.",
                    *("short", 12, 6, ANY_IS_BAD),
                ),
                Prom(
                    "sum by (integration) (increase(alertmanager_notifications_failed_total[15m])) "
                    "and on (integration) sum by (integration) (alertmanager_notifications_total) > 0",
                    "{{integration}}",
                ),
            ),
            curves(
                Says(
                    80,
                    "Refused certificates",
                    "1: the listener presents what others refuse (wrong_name, untrusted), or nobody there speaks TLS (unseen).",
                    *("short", 12, 6),
                ),
                Prom("max by (listener, fault) (telecare_listener_fault)", "{{listener}} {{fault}}"),
            ),
            curves(
                Says(
                    92,
                    "Who tells of the database",
                    "How many processes tell each figure of it, of those that are there. Of one that nobody tells no alert can come; a disk is told where "
                    "TELECARE_DATABASE_DISK is set.",
                    *("short", 12, 6),
                ),
                Prom('count(up{job="telecare"} == 1) or vector(0)', "processes"),
                Prom("count(telecare_database_disk_free_bytes) or vector(0)", "disk"),
                Prom("count(telecare_database_standbys) or vector(0)", "standbys"),
                Prom("count(telecare_database_wal_kept_bytes) or vector(0)", "WAL"),
                Prom("count(telecare_database_notify_queue_ratio) or vector(0)", "notifications"),
                Prom('count(telecare_backup_timestamp_seconds{what="all"}) or vector(0)', "backups"),
            ),
        ),
    )


def _records() -> Part:
    return Part(
        "What is written down, and forgotten",
        (
            curves(
                Says(
                    31,
                    "Audit log",
                    "Rows a second by outcome. Refused: changes that were not made, for they could not be audited. Anything unforeseen is a "
                    "route that the audit does not know.",
                    *("ops", 10, 8),
                ),
                Prom("sum by (outcome) (rate(telecare_audit_log_rows_total[5m]))", "{{outcome}}"),
                Prom("sum(rate(telecare_audit_log_refusals_total[5m]))", "refused"),
                Prom("sum(rate(telecare_audit_log_unforeseen_total[5m]))", "unforeseen"),
            ),
            curves(
                Says(
                    79,
                    "Audit log, not written yet",
                    "Rows that wait in the memory of a process. A restart there would lose them.",
                    *("short", 6, 8),
                ),
                Prom("sum(telecare_audit_log_waiting)", "waiting"),
            ),
            curves(
                Says(32, "Forgotten", "What was kept long enough and is gone, a day.", *("short", 8, 8)),
                Prom("sum by (what) (increase(telecare_ingest_forgotten_total[24h]))", "{{what}}"),
                Prom("sum(increase(telecare_alerts_forgotten_total[24h]))", "alarms' words"),
                Prom("sum(increase(telecare_audit_log_forgotten_total[24h]))", "audit log"),
            ),
        ),
    )
