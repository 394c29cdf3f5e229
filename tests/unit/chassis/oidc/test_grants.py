"""Groups of a council's directory become roles here."""

import pytest
from pydantic import ValidationError

from contracts.access import Principal
from services.chassis.oidc.grants import Grant, NotAdmitted, Person, RoleMap, person_of

MAP: RoleMap = {
    "ops": Grant(role="ops"),
    "clyde": Grant(role="hub", hub="clyde-arc"),
    "forth": Grant(role="hub", hub="forth-arc"),
    "glasgow": Grant(role="engineer", councils=("glasgow-city",)),
    "fife": Grant(role="engineer", councils=("fife",)),
    "everywhere": Grant(role="engineer"),
    "managers": Grant(role="viewer"),
}


def person(*groups: str, **claims: object) -> Person | NotAdmitted:
    known = {"sub": "7", "name": "Morag", "preferred_username": "morag@council.example", "groups": list(groups)}
    return person_of(known | claims, MAP, ("roles", "groups"), ("preferred_username", "email"))


def who(*groups: str, **claims: object) -> Principal:
    found = person(*groups, **claims)
    assert isinstance(found, Person)
    return found.who


def test_a_group_is_a_role_and_the_account_is_the_actor() -> None:
    assert who("clyde") == Principal("morag@council.example", "hub", "clyde-arc", None)  # type: ignore[arg-type]
    assert who("managers", "cyclists").role == "viewer"


def test_councils_add_up_and_everywhere_is_everywhere() -> None:
    assert set(who("glasgow", "fife").councils or ()) == {"glasgow-city", "fife"}
    assert who("glasgow", "everywhere").councils is None


def test_of_several_roles_the_map_says_which_by_its_order() -> None:
    assert who("managers", "glasgow", "ops").role == "ops"
    assert set(who("managers", "glasgow").councils or ()) == {"glasgow-city"}


def test_app_roles_and_groups_count_alike_and_one_may_be_a_word_alone() -> None:
    assert set(who(roles=["fife"]).councils or ()) == {"fife"}
    assert who(roles="ops").role == "ops"


def test_nobody_works_for_two_hubs_at_once() -> None:
    found = person("clyde", "forth")
    assert isinstance(found, NotAdmitted)
    assert "several hubs" in found.why


@pytest.mark.parametrize(
    "claims", [{"groups": []}, {"groups": ["CLYDE"]}, {"groups": {"clyde": 1}}, {"groups": [["ops"], 7]}]
)
def test_whoever_has_no_group_of_the_map_is_not_let_in_whatever_shape_the_claim_has(claims: dict[str, object]) -> None:
    found = person(**claims)
    assert isinstance(found, NotAdmitted)
    assert found.why.startswith("Morag has no role in this service.")


def test_groups_that_the_directory_left_out_are_told_apart_from_none() -> None:
    found = person(groups=None, _claim_names={"groups": "src1"})
    assert isinstance(found, NotAdmitted)
    assert "too many" in found.why


def test_a_name_that_can_not_be_kept_gives_way_to_the_account() -> None:
    for name in ("", "  ", "a\0b", "x" * 129, 7):
        found = person("ops", name=name)
        assert isinstance(found, Person)
        assert found.name == "morag@council.example"
    assert isinstance(person("ops", sub=""), NotAdmitted)


@pytest.mark.parametrize(
    "entry",
    [
        {"role": "hub"},
        {"role": "ops", "hub": "clyde-arc"},
        {"role": "viewer", "councils": ["fife"]},
        {"role": "engineer", "councils": []},
        {"role": "king"},
        {"role": "engineer", "council": "fife"},
    ],
)
def test_an_entry_of_the_map_that_means_nothing_is_refused_when_the_service_starts(entry: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Grant.model_validate(entry)
