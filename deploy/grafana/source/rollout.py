"""Rollout to 1,000: for managers. How many are live, when will it be a thousand, and which council stands still?"""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.source.parts import ANY_IS_ODD, Part, Prom, Says, Sql, bars, curves, dial, figure, page, rows

# Drawn where each week ends, and the present one where it has come to.
_WEEKS = """select least((week + 7)::timestamp at time zone 'Europe/London', now()) as time, sum(devices) filter (where stage = 'live') as live,
    (select target from registry.rollout_aim) as target
from registry.rollout_history
where $__timeFilter(week)
group by week order by week"""

_PACE = """select week::timestamptz as time, sum(first) as "first time live", -sum("left") as "no longer live"
from registry.rollout_history
where stage = 'live' and $__timeFilter(week)
group by week order by week"""

_COUNCILS = """select name as "Council", live as "Live", on_the_way as "On the way", unheard as "Unheard", silent as "Silent",
    target as "Target", live::real / nullif(target, 0) as "Of target", analogue_left as "Analogue left"
from registry.rollout_council
where live + on_the_way + unheard > 0 or target is not null
order by live desc, name"""


def rollout() -> Dashboard:
    where = Part(
        "Where we are",
        (
            dial(
                Says(
                    16,
                    "Live devices of the target",
                    "Devices that are live, against the programme's target.",
                    *("percent", 8, 8),
                ),
                Prom("100 * max(telecare_rollout_live) / max(telecare_rollout_target)", now=True),
                upto=100,
            ),
            figure(
                Says(
                    17,
                    "Live",
                    "Devices that are live now: gone live, heard since, and neither suspended nor withdrawn.",
                    *("short", 8, 8),
                ),
                Prom("max(telecare_rollout_live)", now=True),
            ),
            figure(
                Says(
                    27,
                    "Needed a week",
                    "Live devices more a week that reach the target by the programme's day, else by the switch-off.",
                    *("short", 8, 8),
                ),
                Prom("max(telecare_rollout_needed_per_week)", "needed", now=True),
                Prom("max(telecare_rollout_rate_per_week)", "as the last weeks went", now=True),
            ),
            curves(
                Says(
                    76,
                    "Live, week by week",
                    "Live devices at the end of each week, by now in this one, and the programme's target.",
                    *("short", 24, 9),
                ),
                Sql(_WEEKS),
            ),
        ),
    )
    going = Part(
        "Where we are going",
        (
            curves(
                Says(
                    60,
                    "Against the forecast",
                    "Live now, and the range in which the forecast of four weeks ago saw it: below the low bound it went worse than foreseen.",
                    "short",
                ),
                Prom("max(telecare_rollout_live)", "live"),
                Prom("max by (bound) (telecare_rollout_foreseen_live)", "foreseen, {{bound}}"),
            ),
            figure(
                Says(
                    61,
                    "The target will be reached",
                    "The day on which the target will be reached, as the last weeks went, and the programme's own day.",
                    *("dateTimeAsLocal", 12, 8),
                ),
                Prom("1000 * max by (bound) (telecare_rollout_forecast_timestamp_seconds)", "{{bound}}", now=True),
                Prom("1000 * max(telecare_rollout_target_date_timestamp_seconds)", "wanted", now=True),
            ),
            curves(
                Says(
                    62,
                    "Pace",
                    "Devices that became live for the first time, and that are no longer, by week.",
                    *("short", 24, 8),
                ),
                Sql(_PACE),
            ),
        ),
    )
    councils = Part(
        "Council by council",
        (
            rows(
                Says(
                    63,
                    "Councils",
                    "Those that have devices, or a target. On the way: registered to commissioning.",
                    *("short", 16, 12),
                ),
                Sql(_COUNCILS, "table"),
                units={"Of target": "percentunit"},
            ),
            bars(
                Says(
                    20,
                    "Live devices by council",
                    "By the register's stage; those that have none yet are left out.",
                    *("short", 8, 12),
                ),
                Prom('sort_desc(max by (council) (telecare_devices{stage="live"}) > 0)', "{{council}}", now=True),
            ),
        ),
    )
    trust = Part(
        "Can the figures be trusted?",
        (
            figure(
                Says(
                    26,
                    "Gone live, not heard since",
                    "Devices that went live and were never heard since: not counted as live. Somebody should go and look.",
                    *("short", 8, 5, ANY_IS_ODD),
                ),
                Prom("max(telecare_rollout_unheard)", now=True),
            ),
            figure(
                Says(
                    28,
                    "Not counted yet",
                    "Lines of devices' history that live devices and weeks do not hold yet: nought but for moments.",
                    *("short", 8, 5, ANY_IS_ODD),
                ),
                Prom("max(telecare_rollout_not_counted_yet)", now=True),
            ),
            figure(
                Says(
                    29,
                    "Register and history disagree",
                    "Devices in another stage by their history than by the register. Not nought: the figures are wrong.",
                    *("short", 8, 5, ANY_IS_ODD),
                ),
                Prom("max(telecare_rollout_unexplained)", now=True),
            ),
        ),
    )
    about = "For managers: how many are live, when it will be a thousand, and which council stands still."
    return page(
        "telecare-rollout",
        "Telecare: rollout to 1,000",
        about,
        (where, going, councils, trust),
        span="180d",
        database=True,
    )
