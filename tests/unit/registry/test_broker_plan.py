"""What each user may do at the broker, and how the broker is brought to know it: as few commands as there can be."""

from dataclasses import replace
from typing import Any

import pytest

from services.registry.domain.broker import MARK, Acl, Found, Standing, User, plan, user_of

ROOT = "telecare/v1"


def found(user: User, **other: Any) -> Found:
    """The broker knows the user as it shall be."""
    client = {"username": user.username, "textname": MARK, "roles": [{"rolename": user.role}], "groups": []}
    bound = {"clientid": user.client_id} if user.client_id else {}
    acls = [acl.to_json() for acl in sorted(user.acls, reverse=True)]
    return Found(client | bound | other, {"rolename": user.role, "acls": acls})


def test_a_device_may_speak_for_itself_and_hear_what_is_for_it_and_nothing_else() -> None:
    user = user_of("device", "TC-1", "enabled")
    said = {acl.topic for acl in user.acls if acl.acltype == "publishClientSend"}
    heard = {acl.topic for acl in user.acls if acl.acltype != "publishClientSend"}
    assert said == {f"{ROOT}/devices/+/TC-1/{lane}" for lane in ("heartbeat", "alarm", "status")}
    assert heard == {f"{ROOT}/devices/+/TC-1/{lane}" for lane in ("receipt", "command")}
    assert user.client_id == user.username == "TC-1"


def test_whoever_holds_a_claim_is_bound_to_it_and_may_ask_and_be_answered() -> None:
    user = user_of("claim", "SN-1", "enabled")
    assert {acl.topic for acl in user.acls} == {f"{ROOT}/provisioning/SN-1/{lane}" for lane in ("request", "response")}
    assert user.client_id == user.username == "claim:SN-1"


def test_a_user_that_is_as_it_shall_be_gets_no_command() -> None:
    """Each rewrites the broker's file, and keeps it from everybody else meanwhile."""
    user = user_of("device", "TC-1", "enabled")
    for password in (None, "secret"):
        assert plan(user, found(user), password, renew=False).commands == ()
    out = replace(user, standing="disabled")
    assert plan(out, found(out, disabled=True), None, renew=False).commands == ()


def test_whom_the_broker_lost_is_given_back_with_the_password_or_is_missing() -> None:
    user = user_of("device", "TC-1", "enabled")
    commands = plan(user, Found(), "secret", renew=False).commands
    assert [each["command"] for each in commands] == ["createRole", "createClient"]
    assert plan(user, Found(), None, renew=False).missing
    assert not plan(replace(user, standing="disabled"), Found(), None, renew=False).missing


def test_whoever_is_shut_out_is_shut_out_before_anything_else() -> None:
    user = user_of("device", "TC-1", "disabled")
    meddled = found(user, clientid="other", roles=[{"rolename": "admin"}])
    assert [each["command"] for each in plan(user, meddled, None, renew=False).commands] == [
        "disableClient",
        "setClientId",
        "modifyClient",
    ]


@pytest.mark.parametrize(
    "acls",
    [
        [],
        [{"acltype": "subscribePattern", "topic": "#", "allow": True}],
        [Acl("subscribePattern", f"{ROOT}/devices/+/TC-1/receipt").to_json()],
    ],
)
def test_a_role_that_somebody_changed_is_put_right(acls: list[dict[str, Any]]) -> None:
    user = user_of("device", "TC-1", "enabled")
    meddled = Found(found(user).client, {"rolename": user.role, "acls": acls})
    (command,) = plan(user, meddled, None, renew=False).commands
    assert command["command"] == "modifyRole"
    assert {each["topic"] for each in command["acls"]} == {acl.topic for acl in user.acls}


def test_a_new_password_is_set_once_and_one_that_is_not_there_any_more_is_removed() -> None:
    user = user_of("claim", "SN-1", "enabled")
    (command,) = plan(user, found(user), "secret", renew=True).commands
    assert command == {"command": "setClientPassword", "username": "claim:SN-1", "password": "secret"}
    gone = replace(user, standing="absent")
    assert [each["command"] for each in plan(gone, found(user), None, renew=False).commands] == [
        "deleteClient",
        "deleteRole",
    ]
    assert plan(gone, Found(), None, renew=False).commands == ()


@pytest.mark.parametrize("standing", ["enabled", "disabled", "absent"])
def test_a_user_of_the_same_name_that_is_not_ours_is_never_touched(standing: Standing) -> None:
    user = user_of("device", "telecare", standing)
    other = found(user, textname="", roles=[{"rolename": "telecare-service"}])
    decided = plan(user, other, "secret", renew=True)
    assert (decided.commands, decided.foreign) == ((), True)
