"""Where a hub keeps its own record of a home."""

import pytest

from services.registry.domain.record_url import template_fault


@pytest.mark.parametrize(
    "template",
    [
        "https://arc.example/homes/{installation_ref}",
        "http://10.0.0.8:8080/#/home?ref={installation_ref}&tab=1",
        "https://arc.example/{installation_ref}/{installation_ref}",
    ],
)
def test_a_place_for_the_reference_in_path_or_query_is_taken(template: str) -> None:
    assert template_fault(template) is None


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("https://arc.example/homes/", "needs {installation_ref}"),
        ("https://arc.example/{ref}", "needs {installation_ref}"),
        ("https://arc.example/{installation_ref}/{name}", "only placeholder"),
        ("https://arc.example/{{installation_ref}}", "only placeholder"),
        ("https://{installation_ref}.arc.example/", "path or the query"),
        ("https://arc.example:{installation_ref}/", "not a URL"),
        ("https://me@arc.example/{installation_ref}", "user or password"),
        ("javascript:alert('{installation_ref}')", "https://"),
        ("data:text/html,{installation_ref}", "https://"),
        ("//arc.example/{installation_ref}", "https://"),
        ("/homes/{installation_ref}", "https://"),
        ("https:///{installation_ref}", "with a host"),
        ("https://arc.example/ {installation_ref}", "without spaces"),
        ("https://arc.example/\n{installation_ref}", "printable"),
        ("https://[::1/{installation_ref}", "not a URL"),
        ("https://arc.example/{installation_ref}" + "x" * 2048, "at most 2,048"),
    ],
)
def test_what_no_operator_should_open_is_refused_with_a_reason(template: str, told: str) -> None:
    assert told in (template_fault(template) or "")
