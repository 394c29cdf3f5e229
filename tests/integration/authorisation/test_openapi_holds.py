"""The OpenAPI document of all services says what they do: schemathesis asks every route whatever its schema allows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok

from tests.integration.authorisation.world import World

# Streams have no end; what is asked of an identity provider or of Notify is asked of nobody here.
_ENDLESS = r"/stream$"
_ONLY = "/"
_EXAMPLES = 10


def check_everything(
    url: str, token: str, things: Mapping[str, str], *, promised: Mapping[str, Any] | None = None
) -> tuple[list[str], Counter[int]]:
    """What is not as the document says, a line for each route and kind of fault; and how often it was answered what.

    In a thread: schemathesis waits for answers. `promised`: other schemas than the document's.
    """
    load_all_checks()
    names = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
    checks = CHECKS.get_by_names(names)
    document = requests.get(f"{url}/openapi.json", timeout=120).json()
    document["components"]["schemas"] |= promised or {}
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=url)
    answers: Counter[int] = Counter()
    faults: dict[str, str] = {}
    for found in schema.include(path_regex=_ONLY).exclude(path_regex=_ENDLESS).get_all_operations():
        assert isinstance(found, Ok), found
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _ask(found.ok(), mode, checks, {"Authorization": f"Bearer {token}"}, things, faults, answers)
    return [f"{where}\n    {what}" for where, what in sorted(faults.items())], answers


def _ask(
    operation: Any,
    mode: GenerationMode,
    checks: Any,
    headers: Mapping[str, str],
    things: Mapping[str, str],
    faults: dict[str, str],
    answers: Counter[int],
) -> None:
    number = count()

    @settings(
        max_examples=_EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if (
            next(number) % 3 and case.path_parameters
        ):  # mostly of what is there: of anything else, all that is said is 404
            case.path_parameters = {
                **case.path_parameters,
                **{n: things[n] for n in case.path_parameters if n in things},
            }
        response = case.call(headers=headers, timeout=120)
        answers[response.status_code] += 1
        for check in checks:
            try:
                case.validate_response(response, checks=[check])
            except (FailureGroup, Failure) as error:
                where = f"{operation.label}: {check.__name__}: {response.status_code}"
                faults.setdefault(where, str(error)[:700])

    ask()


async def test_every_route_does_what_the_document_says_and_none_fails(world: World) -> None:
    things = await world.fresh("own")
    faults, answers = await asyncio.to_thread(check_everything, world.url, world.tokens["ops"], things)
    assert not faults, "\n".join(faults)
    assert answers[200] > 200, answers  # and not by being refused each time


async def test_an_answer_that_is_not_as_promised_would_be_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.integration.authorisation.test_openapi_holds._ONLY", "/api/v1/councils")
    things = await world.fresh("own")
    other = {"Council": {"type": "object", "properties": {"name": {"type": "integer"}}}}
    faults, _ = await asyncio.to_thread(check_everything, world.url, world.tokens["ops"], things, promised=other)
    assert any("response_schema_conformance: 200" in fault for fault in faults), faults
