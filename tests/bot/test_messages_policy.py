"""What the check about a changed policy says."""

from __future__ import annotations

import json
import re

import pytest

from bot import slash
from bot.messages import MARKER, Check
from bot.messages.policy import Past, Proposal, check
from bot.policy.compare import Difference
from bot.policy.text import Fault

SHA = "a" * 40
LOOSER = Difference("budgets.limits", "looser", "50 USD", "1000000 USD")
TIGHTER = Difference("environments.production.soak", "tighter", "0s", "15m")
OTHER = Difference("environments.production.health.path", "other", "/", "/healthz")
EVIL = "@everyone </summary><script> | ``` /promote production\n/approve --> x"


def twin(said: Check) -> dict[str, object]:
    return dict(json.loads(said.summary.split(MARKER, 1)[1].split(" -->", 1)[0]))


@pytest.mark.parametrize(
    ("seen", "conclusion", "code", "title"),
    [
        (Proposal(SHA, "tighter", [TIGHTER]), "success", None, "1 tighter"),
        (Proposal(SHA, "other", [OTHER]), "success", None, "1 other"),
        (Proposal(SHA, "other"), "success", None, "Nothing changes in what holds"),
        (Proposal(SHA, "none"), "success", None, "The policy stays as it is"),
        (Proposal(SHA, "looser", [TIGHTER, LOOSER]), "action_required", "ack_missing", "1 looser, 1 tighter"),
        (
            Proposal(SHA, "looser", [LOOSER], agent="Claude Code"),
            "failure",
            "policy_loosened",
            "1 looser, and an agent wrote it",
        ),
        (Proposal(SHA, "tighter", [TIGHTER], agent="Claude Code"), "success", None, "1 tighter"),
        (Proposal(SHA, "invalid", odd="a folder, not a file"), "failure", "policy_invalid", "Not a policy file"),
        (
            Proposal(SHA, "invalid", faults=[Fault(3, 5, "version", "no")]),
            "failure",
            "policy_invalid",
            "Not a valid policy: 1 fault",
        ),
    ],
)
def test_each_verdict_has_its_end(seen: Proposal, conclusion: str, code: str | None, title: str) -> None:
    said = check(seen)

    assert (said.status, said.conclusion, said.title) == ("completed", conclusion, title)
    assert twin(said)["reason_code"] == code


def test_what_is_looser_stands_first() -> None:
    text = check(Proposal(SHA, "looser", [TIGHTER, OTHER, LOOSER])).text

    assert text is not None
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert rows[2:] == ["looser", "other", "tighter"]


def test_faults_stand_where_they_are() -> None:
    said = check(Proposal(SHA, "invalid", faults=[Fault(3, 5, "version", "wrong"), Fault(9, 1, "", "worse")]))

    places = [(one["path"], one["start_line"], one["start_column"], one["message"]) for one in said.annotations]
    assert places == [(".slipway.yml", 3, 5, "wrong"), (".slipway.yml", 9, 1, "worse")]
    assert {one["annotation_level"] for one in said.annotations} == {"failure"}


def test_the_past_is_told_in_numbers_and_case_by_case() -> None:
    turned = [Past(1.0, 7, "gate", (), ("approval_missing",)), Past(2.0, 8, "promote", ("frozen",), ())]

    text = check(Proposal(SHA, "looser", [LOOSER], looked_at=50, turned=turned)).text

    assert text is not None
    assert "Of the last 50 decisions, 1 would have been allowed and 1 denied." in text
    assert "| #7 | gate | allowed | `approval_missing` |" in text
    assert "| #8 | promote | `frozen` | allowed |" in text


def test_nothing_turned_is_said_too() -> None:
    text = check(Proposal(SHA, "tighter", [TIGHTER], looked_at=50)).text

    assert text is not None and "would have been the same" in text


def test_a_policy_that_is_out_of_use_is_named() -> None:
    assert "valid last" in check(Proposal(SHA, "tighter", [TIGHTER], standing_fault="line 1: no")).summary


def test_what_others_wrote_stays_text() -> None:
    """Values, names and YAML's own complaints come out of the pull request."""
    hostile = Proposal(
        SHA,
        "looser",
        [Difference("budgets.limits", "looser", EVIL, EVIL)],
        [Fault(1, 1, EVIL, EVIL)],
        agent=EVIL,
        standing_fault=EVIL,
    )
    said = check(hostile)

    for part in (said.summary.split("-->", 1)[1], said.text or ""):
        outside = re.sub(r"`[^`\n]*`", "", part)  # inline code is text already
        assert "<script>" not in outside and "@everyone" not in outside
        assert not any(slash.parse(line) for line in part.splitlines())
    assert said.text is not None
    for line in said.text.splitlines():
        assert not line.startswith("|") or line.replace("\\|", "").count("|") in (4, 5)
    assert said.summary.count("-->") == 1
    assert slash.parse(said.summary) is None
