"""What the contract's section "Prometheus" lists: the one place where the tests have it from."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

LISTED: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "telecare_messages": frozenset({"lane", "outcome"}),
        "telecare_store_duration_seconds": frozenset({"lane"}),
        "telecare_alarm_delivery_seconds": frozenset({"channel"}),
        "telecare_alarm_acknowledge_seconds": frozenset({"priority"}),
        "telecare_alarms_open": frozenset({"priority", "state"}),
        "telecare_oldest_unacknowledged_alarm_seconds": frozenset({"priority"}),
        "telecare_alarms_unroutable": frozenset(),
        "telecare_deliveries": frozenset({"channel", "outcome"}),
        "telecare_channel_failing": frozenset({"hub"}),
        "telecare_responder_way_failing": frozenset({"channel"}),
        "telecare_hub_undelivered_seconds": frozenset({"hub"}),
        "telecare_audit_overdue_seconds": frozenset({"what"}),
        "telecare_audit_violations": frozenset(),
        "telecare_audit_age_seconds": frozenset(),
        "telecare_life_alarm_waits_seconds": frozenset({"council"}),
        "telecare_audit_log_rows": frozenset({"outcome"}),
        "telecare_audit_log_refusals": frozenset(),
        "telecare_audit_log_unforeseen": frozenset(),
        "telecare_audit_log_waiting": frozenset(),
        "telecare_audit_log_forgotten": frozenset(),
        "telecare_ingest_forgotten": frozenset({"what"}),
        "telecare_alerts_forgotten": frozenset(),
        "telecare_http_requests_limited": frozenset({"rule"}),
        "telecare_silences_active": frozenset({"council"}),
        "telecare_devices": frozenset({"council", "stage"}),
        "telecare_devices_silent": frozenset({"council"}),
        "telecare_devices_late": frozenset({"council"}),
        "telecare_hearing_ratio": frozenset({"shard"}),
        "telecare_hearing_named": frozenset({"attribute"}),
        "telecare_heartbeats_missed": frozenset(),
        "telecare_liveness_pass_seconds": frozenset(),
        "telecare_liveness_verdicts": frozenset({"condition", "turn"}),
        "telecare_outages_open": frozenset(),
        "telecare_outage_members": frozenset({"condition"}),
        "telecare_monitoring_blind": frozenset(),
        "telecare_hearing_lag_seconds": frozenset({"shard"}),
        "telecare_shard_info": frozenset({"lane", "shard"}),
        "telecare_session_gaps": frozenset(),
        "telecare_session_away_seconds": frozenset({"shard"}),
        "telecare_unready": frozenset({"service"}),
        "telecare_loop_failing_seconds": frozenset({"loop"}),
        "telecare_backup_timestamp_seconds": frozenset({"what"}),
        "telecare_database_size_bytes": frozenset(),
        "telecare_database_standbys": frozenset(),
        "telecare_database_wal_kept_bytes": frozenset(),
        "telecare_database_notify_queue_ratio": frozenset(),
        "telecare_broker_credentials": frozenset({"kind", "state"}),
        "telecare_rollout_target": frozenset(),
        "telecare_rollout_live": frozenset(),
        "telecare_rollout_unheard": frozenset(),
        "telecare_rollout_needed_per_week": frozenset(),
        "telecare_rollout_not_counted_yet": frozenset(),
        "telecare_rollout_unexplained": frozenset(),
        "telecare_canary_round_trip_seconds": frozenset({"shard"}),
        "telecare_canary_presses": frozenset({"outcome", "shard"}),
        "telecare_canary_last_success_timestamp_seconds": frozenset({"shard"}),
    }
)
"""Name of the family (a counter's without `_total`) → its labels."""

OF_THE_CANARY: Final = frozenset(name for name in LISTED if name.startswith("telecare_canary_"))
"""Those of a process of its own, of which no service serves a sample."""

SOMETIMES: Final = frozenset(
    {
        "telecare_rollout_rate_per_week",
        "telecare_rollout_target_date_timestamp_seconds",
        "telecare_rollout_forecast_timestamp_seconds",
        "telecare_rollout_foreseen_live",
        "telecare_broker_messages_dropped",
        "telecare_broker_clients",
        "telecare_broker_stored_bytes",
        "telecare_certificate_expiry_timestamp_seconds",
        "telecare_listener_certificate_expiry_timestamp_seconds",
        "telecare_listener_fault",
        "telecare_database_disk_bytes",
        "telecare_database_disk_free_bytes",
        "telecare_database_replication_lag_seconds",
    }
)
"""Those that are there when there is something to say: a forecast takes four weeks, the programme need not have a day, a broker may
tell nothing of itself, and a disk, a certificate or a standby may be none of ours."""

_SAMPLE_SUFFIXES: Final = ("_total", "_bucket", "_count", "_sum")


def family_of(name: str) -> str:
    """The family to which a name in a query belongs, where the suffix is its kind's."""
    return next((name.removesuffix(each) for each in _SAMPLE_SUFFIXES if name.endswith(each)), name)
