"""An upgrade without a stop: the code that is running goes on running on the schema of the next release.

So what a migration takes away, or demands of a row, it takes or demands of the release before. A thing goes in two steps: in one
release nothing uses it any more, in the next it is dropped, by a migration that says so: `-- contract: unused since 0.2`.

Its wheel is kept (tests/releases): what runs in it is run on this schema by tests/scenarios/test_upgrade.py and test_sql.py.
"""

import hashlib
import re

import pytest

from services.chassis.postgres.migrate import migrations, pending
from tests.support.releases import RELEASES, kept_wheel, migrations_in

RELEASED = migrations_in(kept_wheel())

_CONTRACT = re.compile(r"^\s*-- contract: unused since \d+\.\d+", re.MULTILINE)
_COMMENT = re.compile(r"--[^\n]*")
_BODY = re.compile(r"(\$\w*\$).*?\1", re.DOTALL)  # what a function does is its own business
_THING = r"(?:table|view|materialized view|function|schema|type|sequence|column|role)"


def takes_away(sql: str) -> list[str]:
    """What the release before would miss, or could not do any more, in words; nothing, where the migration says it may."""
    if _CONTRACT.search(sql):
        return []
    text = re.sub(r"\s+", " ", _BODY.sub("''", _COMMENT.sub("", sql)).lower())
    found = []
    for statement in text.split(";"):
        for kind, name in re.findall(rf"\bdrop ({_THING}) (?:if exists )?([\w.]+)", statement):
            # A view or a function that is made anew in the same transaction is another shape of it, and no loss.
            if not re.search(rf"\bcreate (?:or replace )?{kind} {re.escape(name)}\b", text):
                found.append(f"drops the {kind} {name}")
        if re.search(r"\brename\b", statement):
            found.append(f"renames: {statement.strip()}")
        if re.search(r"\balter (?:column )?\w+ (?:set not null|(?:set data )?type\b)", statement):
            found.append(f"narrows a column: {statement.strip()}")
        if re.search(r"\balter table (?:only )?alerts\.alarm\b.*\badd column\b.*\bnot null\b", statement):
            # Alarms are written whole, from JSON: what the release before does not know of is null, and no default.
            found.append(f"wants a value in every alarm that the release before does not give: {statement.strip()}")
        found += [
            f"wants a value that the release before does not give: {column.strip()}"
            for column in re.findall(r"\badd column (?:if not exists )?([^,]+(?:\([^)]*\)[^,]*)*)", statement)
            if "not null" in column and "default" not in column and "generated" not in column
        ]
    return found


def test_no_migration_takes_anything_from_the_release_that_is_running() -> None:
    new = [each for each in migrations() if each.name not in RELEASED]
    assert {each.name: taken for each in new if (taken := takes_away(each.sql))} == {}


def test_what_was_released_is_migrated_by_us() -> None:
    """None of its migrations was changed or is gone: the ledger of its databases would refuse us."""
    assert RELEASED.items() <= {each.name: each.checksum for each in migrations()}.items()
    pending(migrations(), {each.number: each.checksum for each in migrations() if each.name in RELEASED})


def test_the_wheel_that_is_kept_is_the_one_of_which_its_page_tells() -> None:
    wheel = kept_wheel()
    row = f"| `{wheel.name}` | `{hashlib.sha256(wheel.read_bytes()).hexdigest()}` |"
    assert row in (RELEASES / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "sql",
    [
        "drop table ingest.old;",
        "alter table a.b drop column c;",
        "alter table a.b rename column c to d;",
        "ALTER TABLE a.b ALTER COLUMN c SET NOT NULL;",
        "alter table a.b alter column c type bigint;",
        "alter table a.b add column c text not null;",
        "alter table a.b add column c text not null check (c <> ''), add column d int;",
        "alter table alerts.alarm add column c boolean not null default false;",
        "drop view registry.directory; create view registry.other as select 1;",
    ],
)
def test_what_takes_something_away_is_seen(sql: str) -> None:
    assert takes_away(sql)
    assert takes_away(f"-- contract: unused since 0.2\n{sql}") == []


@pytest.mark.parametrize(
    "sql",
    [
        "create table a.b (c text not null); create index on a.b (c); drop index a.old;",
        "alter table a.b add column c text; -- never: drop table a.b",
        "alter table a.b add column c boolean not null default false, add column d numeric(3, 1) default 0 not null;",
        "create or replace view a.v as select 1 as b; alter table a.b drop constraint c;",
        "drop view a.v; create view a.v as select 1 as b, 2 as c;",
        "create function a.f() returns trigger language plpgsql as $$ begin drop table x; end $$;",
    ],
)
def test_what_adds_is_let_through(sql: str) -> None:
    assert takes_away(sql) == []


def test_the_release_before_starts_on_a_database_that_is_ahead_of_it() -> None:
    """It knows of none of the new ones, and misses none."""
    all_ = migrations()
    ahead = {each.number: each.checksum for each in all_} | {9999: "of the release that comes"}
    assert pending(all_, ahead) == []
