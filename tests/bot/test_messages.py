"""The words on GitHub: what they show, and that nothing of the outside gets out of its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.messages import MARKER, View, check, code, comment, duration, fenced, inline, marker, remote
from bot.models import Deployment, PullRequest, State

SHA = "0123456789abcdef0123456789abcdef01234567"


def view(state: State = State.LIVE, *, log: str = "", pull: dict[str, Any] | None = None, **fields: Any) -> View:
    told: dict[str, Any] = {"live_at": 103.2} if state in (State.LIVE, State.ASLEEP, State.REPLACED) else {}
    deployment = Deployment(
        id="d1", delivery="g", project_id=1, number=7, sha=SHA, state=state, received_at=100.0, **{**told, **fields}
    )
    return View(
        pull=PullRequest(project_id=1, number=7, opened_at=0.0, **(pull or {})),
        deployment=deployment,
        serving=None,
        url="http://pr-7--shop--acme.localhost:8000",
        commit_url="http://c-0123456--shop--acme.localhost:8000",
        log_url="http://localhost:8000/deployments/d1",
        log=log,
    )


def twin(body: str) -> dict[str, Any]:
    return dict(json.loads(body.split(MARKER, 1)[1].split(" -->", 1)[0]))


def test_a_live_preview_says_commit_seconds_and_both_addresses() -> None:
    body = comment(view(plan={"framework": "flask", "language": "python", "kind": "server"}))

    assert "Preview of `0123456` is live · 3.2 s" in body
    assert "[pr-7--shop--acme.localhost](http://pr-7--shop--acme.localhost:8000)" in body
    assert "[`0123456`](http://c-0123456--shop--acme.localhost:8000)" in body
    assert "flask · python" in body


def test_the_twin_says_the_same_to_machines() -> None:
    said = twin(comment(view()))

    assert said["state"] == "live"
    assert (said["sha"], said["seconds"], said["reason_code"]) == (SHA, 3.2, None)


def test_a_failure_says_where_and_what_next() -> None:
    failure = {
        "step": "build",
        "message": "No module",
        "path": "app.py",
        "line": 3,
        "hint": "Add it",
        "reason_code": "b",
    }

    body = comment(view(State.FAILED, failure=failure, log="one\ntwo"))

    assert "failed" in body
    assert "`app.py:3`" in body
    assert "**Next:** Add it" in body
    assert "one\ntwo" in body
    assert twin(body)["error"]["line"] == 3


def test_what_is_served_meanwhile_is_named() -> None:
    old = Deployment(id="d0", delivery="f", project_id=1, number=7, sha="f" * 40, received_at=1.0)
    one = view(State.BUILDING)

    body = comment(View(one.pull, one.deployment, old, one.url, one.commit_url, one.log_url))

    assert "shows `fffffff`" in body


def test_a_closed_pull_request_gets_a_receipt() -> None:
    receipt = {"instances": 1, "addresses": 2, "builds": 0, "seconds": 7300, "verified": True}

    body = comment(view(State.REMOVED, pull={"state": "merged", "receipt": receipt}))

    assert "was merged" in body
    assert "1 instance, 2 addresses, 0 builds" in body
    assert "lived 2 h" in body
    assert "nothing is left" in body


@pytest.mark.parametrize("state", list(State))
def test_no_reply_of_ours_is_a_command_to_another_bot(state: State) -> None:
    failure = {"step": "x", "message": "/deploy production", "hint": "/promote"}

    body = comment(view(state, failure=failure if state.ended else None, log="/merge\n/deploy"))

    outside = [line for line in body.split("```")[0::2] for line in line.splitlines()]
    assert not [line for line in outside if line.startswith("/")]


@pytest.mark.parametrize("state", list(State))
def test_a_check_ends_only_in_the_four_ways_that_are_allowed(state: State) -> None:
    said = check(view(state))

    assert (said.status == "in_progress") == state.working
    assert said.conclusion in (None, "success", "failure", "action_required", "cancelled")
    assert (said.conclusion is None) == (said.status == "in_progress")


@pytest.mark.parametrize("state", list(State))
def test_a_deployments_line_fits_github(state: State) -> None:
    said, words = remote(view(state, failure={"message": "x\n" * 200}).deployment)

    assert said in ("in_progress", "success", "failure", "inactive")
    assert len(words) <= 140
    assert "\n" not in words


def test_a_failure_is_annotated_where_it_is() -> None:
    said = check(view(State.FAILED, failure={"step": "start", "message": "boom", "path": "a.py", "line": 9}))

    (annotation,) = said.annotations
    assert (annotation["path"], annotation["start_line"], annotation["end_line"]) == ("a.py", 9, 9)


@given(st.text())
def test_the_twin_cannot_be_closed_from_inside(text: str) -> None:
    raw = marker({"message": text})

    assert raw.count("-->") == 1
    assert json.loads(raw.removeprefix(MARKER).removesuffix(" -->")) == {"message": text}


@given(st.text())
def test_a_fence_is_never_closed_from_inside(text: str) -> None:
    tokens = MarkdownIt().parse(fenced(text))

    assert [token.type for token in tokens] == ["fence"]


@given(st.text("`*_[]()<>!@#|\\/:abc \n.-~&", max_size=60))
def test_outside_text_stays_text_inside_a_line(text: str) -> None:
    tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parseInline(inline(text))

    assert all(child.type in ("text", "softbreak") for token in tokens for child in token.children or [])


@pytest.mark.parametrize(
    "text",
    [
        "<!-- x -->",
        "@everyone look",
        "![x](http://evil/a.png)",
        "a\n\n# b",
        "<img src=x>",
        "[a](javascript:x)",
        "| a | b",
    ],
)
def test_hostile_words_in_a_message_do_not_become_markup(text: str) -> None:
    body = comment(view(State.FAILED, failure={"step": "x", "message": text, "hint": text, "path": text}))
    shown = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(body.split(" -->", 1)[1])

    assert "<img" not in shown
    assert "javascript:" not in shown.replace("javascript:x", "") or 'href="javascript' not in shown
    assert "@everyone" not in shown.replace("<code>@everyone", "")  # code mentions nobody
    assert "evil/a.png" not in shown or 'src="' not in shown


def test_inline_code_cannot_be_left() -> None:
    assert code("a`b|c\nd") == "`aʹb¦c d`"


@pytest.mark.parametrize(
    ("span", "words"),
    [(0.0421, "42 ms"), (3.24, "3.2 s"), (119, "119.0 s"), (600, "10 min"), (90000, "25 h"), (1e6, "12 d")],
)
def test_durations_are_in_the_unit_people_use(span: float, words: str) -> None:
    assert duration(span) == words
