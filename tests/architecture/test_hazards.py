"""The hazard log holds together: each hazard is rated by the matrix, has a control, and names tests that exist and run."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
LOG = TESTS.parent / "docs" / "safety" / "hazards.md"

# DCB0129's matrix, as the log prints it: severity from minor to catastrophic, by likelihood.
SEVERITIES = ("minor", "significant", "considerable", "major", "catastrophic")
MATRIX = {
    "very high": (3, 4, 4, 5, 5),
    "high": (2, 3, 3, 4, 5),
    "medium": (2, 2, 3, 3, 4),
    "low": (1, 2, 2, 3, 4),
    "very low": (1, 1, 2, 2, 3),
}
TOLERABLE_MAX = 3
FIELDS = ("cause", "effect", "before", "control", "after", "tests")
NOT_RUN = {"skip", "skipif", "xfail"}
REAL_STACK = "real_stack"  # run by `make test-stack`

_HEADING = re.compile(r"^### (H-\d{3}) · (.+)$", re.MULTILINE)
_ROW = re.compile(r"^\| (\w+) \| (.+) \|$", re.MULTILINE)
_RATING = re.compile(r"^(\w+) × ([\w ]+) = ([1-5])$")
_TEST = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Hazard:
    """One entry of the log."""

    id: str
    name: str
    fields: dict[str, str]

    @property
    def tests(self) -> list[str]:
        """As `path/to/test_file.py::test_name`, seen from `tests/`."""
        return _TEST.findall(self.fields.get("tests", ""))

    def risk(self, when: str) -> int:
        """The rating `before` or `after` its control; the log's sum must be the matrix's."""
        rating = _RATING.fullmatch(self.fields[when])
        assert rating, f"{self.id}: write {when} as 'major × low = 3', not {self.fields[when]!r}"
        severity, likelihood, risk = rating[1], rating[2], int(rating[3])
        assert MATRIX[likelihood][SEVERITIES.index(severity)] == risk, f"{self.id}: the matrix says otherwise of {when}"
        return risk


def read(log: str) -> list[Hazard]:
    """Every entry, in order."""
    parts = _HEADING.split(log)[1:]
    return [
        Hazard(id_, name, dict(_ROW.findall(body)))
        for id_, name, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    ]


@cache
def collected(path: str) -> Mapping[str, frozenset[str]]:
    """What pytest finds in a test file, with the marks of each."""
    file = TESTS / path
    return found(file.read_text(encoding="utf-8")) if file.is_file() else {}


def found(source: str) -> dict[str, frozenset[str]]:
    """The same of a file's text. A test that is left out, for whatever reason, is none."""
    tree = ast.parse(source)
    whole = _marks(tree)
    marks = {name: frozenset(whole | own) for name, own in _tests(tree)}
    return {name: each for name, each in marks.items() if not each & NOT_RUN}


def _tests(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith("test"):
                yield name, {word for each in node.decorator_list for word in _words(each)}
            case ast.ClassDef(name=name) if name.startswith("Test"):
                yield name, {word for each in node.decorator_list for word in _words(each)}
            case ast.Assign(targets=[ast.Name(id=name)]) if name.startswith("Test"):
                yield name, set()


def _marks(tree: ast.Module) -> set[str]:
    """What `pytestmark` says of the whole file."""
    return {
        word
        for node in tree.body
        if isinstance(node, ast.Assign) and "pytestmark" in _words(node.targets[0])
        for word in _words(node.value)
    }


def _words(node: ast.AST) -> set[str]:
    return {
        name for each in ast.walk(node) for name in (getattr(each, "id", None), getattr(each, "attr", None)) if name
    }


HAZARDS = read(LOG.read_text(encoding="utf-8"))


def test_hazards_are_numbered_and_each_is_named_once() -> None:
    assert [hazard.id for hazard in HAZARDS] == [f"H-{number:03}" for number in range(1, len(HAZARDS) + 1)]
    assert len({hazard.name for hazard in HAZARDS}) == len(HAZARDS) >= 25


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.id)
def test_each_hazard_is_whole_and_its_control_makes_it_tolerable(hazard: Hazard) -> None:
    assert tuple(hazard.fields) == FIELDS
    assert hazard.risk("after") <= min(hazard.risk("before"), TOLERABLE_MAX)


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.id)
def test_each_control_is_proved_by_tests_that_exist_and_run(hazard: Hazard) -> None:
    assert hazard.tests, f"{hazard.id} names no test"
    marks = []
    for test in hazard.tests:
        path, _, name = test.partition("::")
        assert name in collected(path), f"{hazard.id}: there is no test {test}, or it is left out"
        marks.append(collected(path)[name])
    assert any(REAL_STACK not in each for each in marks), (
        f"{hazard.id}: name a test that runs on the embedded stack too"
    )


def test_the_matrix_that_is_printed_is_the_one_that_is_used() -> None:
    for likelihood, risks in MATRIX.items():
        assert f"| {likelihood} | {' | '.join(map(str, risks))} |" in LOG.read_text(encoding="utf-8")


def test_a_test_that_is_gone_or_left_out_would_be_noticed() -> None:
    assert "test_a_test_that_is_gone_or_left_out_would_be_noticed" in collected("architecture/test_hazards.py")
    assert "TestAnyInterleaving" in collected("properties/test_alarm_machine.py")
    assert collected("architecture/test_nothing_of_the_kind.py") == {}
    assert set(found("@pytest.mark.skipif(x)\ndef test_a(): ...\ndef test_b(): ...\ndef helper(): ...\n")) == {"test_b"}
    assert found("pytestmark = pytest.mark.skip\ndef test_a(): ...\n") == {}
    assert REAL_STACK in found("pytestmark = [pytest.mark.real_stack]\nasync def test_a(): ...\n")["test_a"]
