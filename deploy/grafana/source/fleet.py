"""Fleet and silence: for ops. Who is not heard, alone or together, and do we hear at all?"""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.grafana.source.parts import ANY_IS_ODD, Part, Prom, Says, bars, curves, page


def fleet() -> Dashboard:
    silence = Part(
        "Who is not heard",
        (
            curves(
                Says(
                    11, "Silent devices by council", "In use and not heard for longer than their model allows.", "short"
                ),
                Prom("max by (council) (telecare_devices_silent)", "{{council}}"),
            ),
            bars(
                Says(
                    58,
                    "Silent share by council",
                    "Of the devices that a council has in use, how many are silent. Above a tenth, and three at least, ops are told.",
                    "percentunit",
                    steps=((None, "green"), (0.05, "orange"), (0.1, "red")),
                ),
                Prom("sort_desc(telecare:devices_silent:ratio)", "{{council}}", now=True),
            ),
            curves(
                Says(
                    36,
                    "Outages open",
                    "Outages of many devices at once that are not over: see /console/outages.",
                    *("short", 6, 8, ANY_IS_ODD),
                ),
                Prom("max(telecare_outages_open)", "open"),
            ),
            curves(
                Says(
                    37,
                    "Members of outages",
                    "Devices that are affected as members of an outage, by what they have lost.",
                    *("short", 9, 8),
                ),
                Prom("max by (condition) (telecare_outage_members)", "{{condition}}"),
            ),
            curves(
                Says(
                    35,
                    "Verdicts on silence",
                    "Devices that fell silent and that are heard again, by the hour.",
                    *("short", 9, 8),
                ),
                Prom(
                    "sum by (condition, turn) (increase(telecare_liveness_verdicts_total[1h]))",
                    "{{condition}} {{turn}}",
                ),
            ),
        ),
    )
    heard = Part(
        "What is heard",
        (
            curves(
                Says(
                    40,
                    "Heard of those that should be",
                    "Watched devices that were heard within one and a half of their intervals, of all that could be heard, by shard. "
                    "Below 80 % for two minutes hubs are told.",
                    *("percentunit", 8, 8),
                    steps=((None, "red"), (0.8, "green")),
                ),
                Prom("min by (shard) (telecare_hearing_ratio)", "{{shard}}"),
            ),
            curves(
                Says(
                    41,
                    "Late devices by council",
                    "Devices that are not heard as often as their model promises, and are not called silent yet.",
                    *("short", 8, 8),
                ),
                Prom("max by (council) (telecare_devices_late)", "{{council}}"),
            ),
            curves(
                Says(
                    43,
                    "Badly heard, by name",
                    "How many cells, districts, firmwares and networks fewer than four in five devices are heard of, or were some minutes ago. "
                    "Which they are: ingest.hearing_by_share.",
                    *("short", 8, 8),
                ),
                Prom("max by (attribute) (telecare_hearing_named)", "{{attribute}}"),
            ),
            curves(
                Says(
                    42,
                    "Heartbeats that never came",
                    "By the gaps in the numbers of those that did, in five minutes.",
                    *("short", 8, 8),
                ),
                Prom("sum(increase(telecare_heartbeats_missed_total[5m]))", "missed"),
            ),
            curves(
                Says(
                    12,
                    "Messages heard",
                    "By lane, and what became of them: received = stored + duplicate + quarantined, but for what is under way.",
                    *("mps", 8, 8),
                ),
                Prom("telecare:messages:rate5m", "{{lane}} {{outcome}}"),
            ),
            curves(
                Says(
                    52,
                    "Quarantined",
                    "The share of a lane's messages that can't be identified, in a quarter of an hour. They are kept raw, with the reason.",
                    *("percentunit", 8, 8),
                    steps=((None, "green"), (0.01, "orange")),
                ),
                Prom("telecare:messages_quarantined:ratio15m", "{{lane}}"),
            ),
            curves(
                Says(18, "Devices by stage", "Registered devices, from the order to the withdrawal.", "short"),
                Prom("sum by (stage) (max by (council, stage) (telecare_devices))", "{{stage}}"),
            ),
            curves(
                Says(
                    30,
                    "Users at the broker",
                    "Devices, claims, enrolments and hubs, by whether the broker knows them as the database says. "
                    "*missing*: the broker lost them, or somebody else has the name.",
                    "short",
                ),
                Prom("max by (kind, state) (telecare_broker_credentials)", "{{kind}} {{state}}"),
            ),
        ),
    )
    about = "For ops: who is not heard, alone or together, and what is heard of the others."
    return page("telecare-fleet", "Telecare: fleet and silence", about, (silence, heard), span="12h")
