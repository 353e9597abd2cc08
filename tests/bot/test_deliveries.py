"""What a payload says of order."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.deliveries import Order, pack, parse, route, unpack
from tests.bot.payloads import all_payloads


def pull(action: str, **more: Any) -> dict[str, Any]:
    return {
        "action": action,
        "number": 7,
        "pull_request": {"number": 7, "updated_at": "2026-01-02T03:04:05Z", "user": {"type": "User"}},
        "repository": {"id": 11},
        "installation": {"id": 3},
        "sender": {"type": "User"},
        **more,
    }


@pytest.mark.parametrize("action", ["opened", "reopened", "synchronize"])
def test_a_new_commit_builds_and_replaces_older_ones(action: str) -> None:
    assert route("pull_request", pull(action)) == Order(
        "11#7", "11#7:refresh", True, 0, action, 3, 11, "2026-01-02T03:04:05Z"
    )


def test_closing_goes_first_and_replaces_but_does_not_build() -> None:
    assert route("pull_request", pull("closed")) == Order(
        "11#7", "11#7:refresh", False, -10, "closed", 3, 11, "2026-01-02T03:04:05Z"
    )


@pytest.mark.parametrize("action", ["labeled", "edited", "ready_for_review", "converted_to_draft"])
def test_the_rest_of_a_pull_request_keeps_its_lane_and_replaces_nothing(action: str) -> None:
    assert route("pull_request", pull(action)) == Order("11#7", None, False, 0, action, 3, 11)


@pytest.mark.parametrize("event", ["pull_request_review", "merge_group"])
def test_what_only_asks_for_the_verdict_waits_for_no_build(event: str) -> None:
    assert route(event, pull("submitted", number=None)).key == f"11:{event}"


def comment(body: object, action: str = "created", **more: Any) -> dict[str, Any]:
    return {
        "action": action,
        "issue": {"number": 7},
        "comment": {"body": body},
        "repository": {"id": 11},
        "sender": {"type": "User"},
        **more,
    }


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ("/promote production", "11@production"),
        ("\n\n/slipway rollback production --reason=x", "11@production:rollback"),
        ("/hold", "11@production"),
        ("/freeze staging --for=2d", "11@staging"),
        ("/freeze agent:robo --reason=x", "11#7:command"),  # it waits behind no release
        ('/freeze "agent:robo[bot]" --reason=x', "11#7:command"),
        ('/freeze --reason="it runs wild" --for=2h agent:robo', "11#7:command"),
        ("/slipway unfreeze agent:robo --reason=x", "11#7:command"),
        ('/freeze production --reason="agent:x"', "11@production"),
        ("/cancel", "11#7:command"),
        ("/redeploy", "11#7:command"),
        ("talk", "11#7:command"),
        ("> /promote production", "11#7:command"),
        (None, "11#7:command"),
    ],
)
def test_a_command_goes_one_at_a_time_where_it_acts_and_waits_for_no_build(body: object, key: str) -> None:
    order = route("issue_comment", comment(body))

    assert (order.key, order.topic, order.heavy, order.priority) == (key, None, False, -5)


def test_an_edited_comment_is_no_command_for_the_queue_either() -> None:
    assert route("issue_comment", comment("/promote production", "edited")).key == "11#7:command"


@pytest.mark.parametrize(("button", "key"), [("promote", "11@production"), ("rebuild", "11@abc"), (7, "11@abc")])
def test_a_button_is_in_the_lane_of_its_command(button: object, key: str) -> None:
    pressed = {"requested_action": {"identifier": button}, "check_run": {"head_sha": "abc"}}

    assert route("check_run", {**pull("requested_action"), **pressed}).key == key


@pytest.mark.parametrize("bot", [{"sender": {"type": "Bot"}}, {"pull_request": {"number": 7, "user": {"type": "Bot"}}}])
def test_people_before_bots(bot: dict[str, Any]) -> None:
    assert route("pull_request", pull("opened", **bot)).priority == 10


@pytest.mark.parametrize(
    ("event", "payload", "key"),
    [
        ("push", {"repository": {"id": 11}}, "11"),
        ("push", {"ref": "refs/heads/x", "repository": {"id": 11, "default_branch": "main"}}, "11"),
        ("push", {"ref": "refs/heads/main", "repository": {"id": 11, "default_branch": "main"}}, "11:default"),
        ("push", {"ref": None, "repository": {"id": 11, "default_branch": ["main"]}}, "11"),
        ("repository", {"action": "renamed", "repository": {"id": 11}}, "11"),
        ("delete", {"repository": {"id": 11}}, "11"),
        ("installation", {"action": "created", "installation": {"id": 3}}, "installation:3"),
        ("installation_repositories", {"installation": {"id": 3}}, "installation:3"),
        ("check_run", {"action": "rerequested", "repository": {"id": 11}, "check_run": {"head_sha": "ab"}}, "11@ab"),
        (
            "check_suite",
            {"action": "rerequested", "repository": {"id": 11}, "check_suite": {"head_sha": "ab"}},
            "11@ab",
        ),
        ("check_run", {"action": "created", "repository": {"id": 11}, "check_run": {"head_sha": "ab"}}, "check_run"),
        ("star", {"repository": {"id": 11}}, "star"),
        ("ping", {"zen": "Keep it logically awesome."}, "ping"),
    ],
)
def test_lanes(event: str, payload: dict[str, Any], key: str) -> None:
    assert route(event, payload).key == key


def test_checks_asked_for_again_build() -> None:
    payload = {"action": "rerequested", "repository": {"id": 11}, "check_run": {"head_sha": "ab"}}
    order = route("check_run", payload)
    assert order.heavy
    assert order.topic is None


@pytest.mark.parametrize(
    "odd", [None, "11", 11.0, True, -1, 0, 2**63, 10**400, [], {}, {"id": "x"}, {"id": True}, {"id": 10**30}]
)
@pytest.mark.parametrize("field", ["repository", "number", "pull_request", "sender", "installation", "action"])
def test_odd_fields_are_absent_fields(field: str, odd: Any) -> None:
    order = route("pull_request", {**pull("opened"), field: odd})
    assert order.key in ("11#7", "pull_request")
    assert order.topic in ("11#7:refresh", None)


def test_a_pull_request_without_a_number_waits_in_its_event_and_replaces_nothing() -> None:
    order = route("pull_request", {"action": "opened"})
    assert (order.key, order.topic) == ("pull_request", None)


@pytest.mark.parametrize("stamp", [None, 5, "yesterday", "2026-01-02T03:04:05+02:00", "\ud800"])
def test_an_odd_time_is_no_time(stamp: Any) -> None:
    payload = pull("opened")
    payload["pull_request"]["updated_at"] = stamp
    assert route("pull_request", payload).stamp == ""


_NAMES = st.sampled_from(
    ["action", "number", "pull_request", "repository", "installation", "sender", "user", "type", "id", "head_sha"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | st.text(max_size=3), inner, max_size=6),
    max_leaves=20,
)


@given(
    event=st.sampled_from(["pull_request", "pull_request_review", "push", "check_run", "installation"]) | st.text(),
    payload=st.dictionaries(_NAMES, JSON),
)
def test_routing_never_raises_and_its_words_can_be_stored(event: str, payload: dict[str, Any]) -> None:
    order = route(event, payload)
    assert order.key == event or order.key.isascii()
    f"{order.action}{order.topic}{order.stamp}".encode()


@pytest.mark.parametrize(("event", "payload"), all_payloads())
def test_githubs_examples_have_a_place(event: str, payload: dict[str, Any]) -> None:
    order = route(event, payload)
    assert order.action == payload.get("action", "")
    if event == "pull_request_review":
        assert order.key == f"{payload['repository']['id']}:{event}"
    elif event.startswith("pull_request"):
        assert order.key == f"{payload['repository']['id']}#{payload['pull_request']['number']}"
        assert event != "pull_request" or not order.topic or order.stamp


@pytest.mark.parametrize("make", [lambda payload: payload, lambda payload: json.dumps(payload).encode()])
def test_a_payload_is_kept_as_it_came(make: Callable[[dict[str, Any]], Any]) -> None:
    payload = {"title": "é\ud83d", "n": 10**40}
    assert unpack(pack(make(payload))) == payload


def test_a_purged_body_is_an_empty_payload() -> None:
    assert unpack(b"") == {}


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"x", b"[]", b'"s"', b"1", b"null", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1,}', b"{'a': 1}"),
        *(b'{"a": "\xff"}', b"\xef\xbb\xbf{}", b"[" * 100_000, b'{"a":' * 100_000, b'{"a": ' + b"9" * 5000 + b"}"),
    ],
)
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):
        parse(raw)
