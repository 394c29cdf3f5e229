"""Alarms now: for hub leads, on a wall. Does anybody wait, and does what we say arrive?"""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.source.parts import ANY_IS_BAD, ANY_IS_ODD, CALM, Part, Prom, Says, curves, figure, page

_HEARING = {"0": ("hearing", "green"), "1": ("BLIND", "red")}
_NONE_TAKEN = {"nan": ("none taken", "text")}


def alarms() -> Dashboard:
    now = Part(
        "Does anybody wait?",
        (
            figure(
                Says(
                    2,
                    "Oldest priority 1 waiting",
                    "How long the oldest life alarm has waited for a person. 60 s is the first mark of the TSA, 180 s the second.",
                    *("s", 6, 5),
                    steps=((None, "green"), (60, "orange"), (180, "red")),
                ),
                Prom("max(telecare:life_alarm_waits_seconds:max)", now=True),
            ),
            figure(
                Says(3, "Open alarms", "Raised and not yet acknowledged, all priorities.", *("short", 6, 5)),
                Prom('sum(max by (priority) (telecare_alarms_open{state="open"}))', now=True),
            ),
            figure(
                Says(
                    4,
                    "Unroutable",
                    "Open alarms for which no usable channel of any hub was found. Anything but nought needs somebody now.",
                    *("short", 6, 5, ANY_IS_BAD),
                ),
                Prom("telecare:alarms_unroutable:max", now=True),
            ),
            figure(
                Says(
                    5,
                    "Hearing",
                    "Blind while broker, session, database or a process is away: silence is ours then, not the devices'.",
                    *("short", 6, 5, ANY_IS_BAD),
                ),
                Prom("telecare:monitoring_blind:max", now=True),
                words=_HEARING,
            ),
            curves(
                Says(
                    6,
                    "Alarms not closed, by priority",
                    "Not closed: those that wait for a person, and those that a person has taken.",
                    "short",
                ),
                Prom("sum by (priority) (max by (priority, state) (telecare_alarms_open))", "priority {{priority}}"),
            ),
            figure(
                Says(
                    19,
                    "Priority 1 taken in time, 24 h",
                    "Of the life alarms that a person took, the share taken within 60 s and 180 s. The TSA's marks are 97.5 % and 99 %.",
                    *("percentunit", 6, 8),
                    steps=((None, "red"), (0.975, "orange"), (0.99, "green")),
                ),
                Prom("telecare:acknowledged_within_60s:ratio24h", "within 60 s", now=True),
                Prom("telecare:acknowledged_within_180s:ratio24h", "within 180 s", now=True),
                words=_NONE_TAKEN,
            ),
            figure(
                Says(
                    25,
                    "Silences",
                    "Silences that last now. What they hold back is listed, and told when they end; priorities 1 and 2 can't be silenced.",
                    *("short", 6, 8, ANY_IS_ODD),
                ),
                Prom("sum(max by (council) (telecare_silences_active))", now=True),
            ),
            curves(
                Says(
                    84,
                    "Oldest waiting, by priority",
                    "For how long the oldest alarm of each priority has waited for a person.",
                    "s",
                ),
                Prom("max by (priority) (telecare_oldest_unacknowledged_alarm_seconds)", "priority {{priority}}"),
            ),
            curves(
                Says(
                    8,
                    "From receipt to a person",
                    "How long all but one alarm in forty wait until somebody acknowledges, by priority.",
                    *("s", 12, 8),
                    steps=((None, "green"), (60, "orange"), (180, "red")),
                ),
                Prom(
                    "histogram_quantile(0.975, sum by (le, priority) (rate(telecare_alarm_acknowledge_seconds_bucket[15m])))",
                    "priority {{priority}}, 97.5 %",
                ),
            ),
        ),
    )
    told = Part(
        "Does what we say arrive?",
        (
            curves(
                Says(
                    50,
                    "Alarms a hub does not take",
                    "For how long the oldest alarm of priority 1 or 2 has been tried at a hub and not been taken; the next hub has it after 15 s.",
                    "s",
                    steps=((None, "green"), (120, "red")),
                ),
                Prom("telecare:hub_undelivered_seconds:max", "{{hub}}"),
            ),
            curves(
                Says(
                    24,
                    "Dead channels by hub",
                    "Verified channels of which three probes in a row have failed. Alarms go on to the next hub meanwhile.",
                    "short",
                    steps=ANY_IS_BAD,
                ),
                Prom("telecare:channel_failing:max", "{{hub}}"),
            ),
            curves(
                Says(
                    90,
                    "Ways to responders that fail",
                    "1 while the mail server, or Notify, does not answer as it should, and a responder relies on it. They are told at 180 s.",
                    "short",
                    steps=ANY_IS_BAD,
                ),
                Prom("max by (channel) (telecare_responder_way_failing)", "{{channel}}"),
            ),
            curves(
                Says(
                    7,
                    "From receipt to hub",
                    "How long an alarm takes from our hearing it to a hub's channel having it: the median and the 99th percentile.",
                    "s",
                ),
                Prom(
                    "histogram_quantile(0.5, sum by (le, channel) (rate(telecare_alarm_delivery_seconds_bucket[5m])))",
                    "{{channel}} median",
                ),
                Prom("telecare:alarm_delivery_seconds:p99_5m", "{{channel}} p99"),
            ),
            curves(
                Says(
                    9,
                    "Deliveries",
                    "Attempts by channel and how they went: delivered, awaiting the hub's word, to be tried again, or refused for good.",
                    "ops",
                    steps=CALM,
                ),
                Prom("sum by (channel, outcome) (rate(telecare_deliveries_total[5m]))", "{{channel}} {{outcome}}"),
            ),
        ),
    )
    return page(
        "telecare-alarms",
        "Telecare: alarms now",
        "For hub leads: who waits for a person, and what arrives.",
        (now, told),
    )
