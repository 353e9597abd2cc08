"""What commands are answered with: found again, read by machines, and never commands themselves."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot import slash
from bot.messages import MARKER
from bot.messages.commands import answer, answers, fault, hint, log_end, manual, refusal, status, verdict
from bot.models import Environment, PullRequest, Release
from bot.policy import Objection

OUTSIDE = st.text(max_size=200) | st.sampled_from(["/promote production", "-->", "```", "@acme/all", "\n/teardown"])
NO = Objection("approval", "approval_missing", "Nobody approved.", "0", "1 by a person", "Ask somebody.")


def test_a_refusal_names_rule_actual_required_and_the_next_command() -> None:
    body = refusal("7", "/promote production", "The head moved.", "head_moved", (NO,), "/promote production abc1234")

    assert "### 🔴 `/promote production` was refused" in body
    assert "| approval | 0 | 1 by a person |" in body
    assert "**Next:** `/promote production abc1234`" in body
    said = json.loads(body.split(MARKER, 1)[1].split(" -->", 1)[0])
    assert (said["reason_code"], said["next"]) == ("head_moved", "/promote production abc1234")
    assert said["rules"][0] == {
        "rule": "approval",
        "reason_code": "approval_missing",
        "actual": "0",
        "required": "1 by a person",
        "words": "Nobody approved.",
    }


def test_without_a_next_of_its_own_a_refusal_takes_the_rules() -> None:
    assert "**Next:** Ask somebody." in refusal("7", "/promote production", "No.", "approval_missing", (NO,))


def test_every_answer_is_found_by_what_it_answers() -> None:
    for body in (fault("7"), hint("7", "/hlep", "Did you mean /help?"), answer("7", "/help", "words")):
        assert body.startswith(answers("7"))


@given(OUTSIDE, OUTSIDE, OUTSIDE)
def test_no_answer_is_a_command_whatever_was_said(said: str, words: str, after: str) -> None:
    no = Objection(words, said, after, words, said, after)
    bodies = [
        refusal("7", said, words, "x", (no,), after),
        hint("7", said, words),
        answer("7", said, log_end("a" * 40, words, "http://localhost/log")),
        answer("7", said, verdict(said, words, False, (no,))),
    ]

    for body in bodies:
        assert slash.parse(body) is None
        assert not any(line.startswith("/") for line in body.splitlines())


@given(OUTSIDE)
def test_nothing_of_the_outside_becomes_markup(words: str) -> None:
    text = f"<img src=x> [a](http://evil) {words}"
    shown = MarkdownIt("commonmark", {"html": True}).render(refusal("7", text, text, "x", after=text))

    assert "<img" not in shown
    assert "<a " not in shown


def test_the_manual_says_what_and_who() -> None:
    assert "| `/keep` | Keeps it. | write, or the author |" in manual([("/keep", "Keeps it.", "write, or the author")])


def test_status_says_who_keeps_others_from_deploying() -> None:
    environment = Environment(
        project_id=1,
        name="production",
        lock_by=3,
        lock_login="bob",
        lock_reason="a migration",
        lock_until=2000.0,
        freeze_until=500.0,
        freeze_reason="over",
        hold="broken",
        hold_by="slipway",
    )
    release = Release(
        delivery="g",
        project_id=1,
        environment="production",
        deployment="d",
        sha="a" * 40,
        artifact="x",
        started_at=1.0,
        live_at=900.0,
    )

    body = status(PullRequest(project_id=1, number=7), None, None, "http://x", [(environment, release)], 1000.0)

    assert "| production | `aaaaaaa` releasing | 100.0 s |" in body
    assert "locked by bob until 1970-01-01 00:33 UTC: a migration" in body
    assert "held by slipway: broken" in body
    assert "frozen" not in body
