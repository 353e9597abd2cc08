"""How a required check ends, and what it says in one line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.messages.gate import moved, told
from bot.policy import Check, Facts, Objection, Unknown
from bot.policy.objection import Needs
from bot.policy.terms import Effective, Terms
from bot.policy.verdict import Verdict, together, weigh
from tests.bot.policy.test_rules import APPROVAL, GOOD, HEAD, facts

NOW = 1_800_000_000.0


def seen(**changes: Any) -> Facts:
    return facts(GOOD, **{"preview": "live", "live_since": NOW - 60, "now": NOW, **changes})


def under(terms: Terms) -> Effective:
    return Effective(environments={"production": terms})


def objection(needs: Needs) -> Objection:
    return Objection("rule", "code", "words", "actual", "required", "Do it.", needs)


def test_all_rules_met_is_a_success() -> None:
    verdict = weigh(seen())
    assert (verdict.conclusion, verdict.title) == ("success", f"All {len(verdict.lines)} rules are met")


def test_the_title_counts_what_is_pending() -> None:
    asked = seen(reviews=(), policy=under(Terms(soak=900)))
    verdict = weigh(asked)
    assert verdict.conclusion is None
    assert verdict.title == f"2 of {len(verdict.lines)} rules pending: approvals 0/1, soak 1 of 15 min"


@pytest.mark.parametrize(
    ("changes", "conclusion"),
    [
        ({"preview": "working"}, None),
        ({"preview": "failed"}, "failure"),
        ({"preview": "refused"}, "action_required"),
        ({"preview": Unknown("GitHub answers with 502.")}, None),
        ({"draft": True}, "action_required"),
        ({"fork": True}, "action_required"),
        ({"reviews": ()}, "action_required"),
        ({"policy_change": "invalid"}, "failure"),
        ({"policy_change": "looser"}, "action_required"),
        ({"policy_change": "looser", "agent": "Devin"}, "failure"),
        ({"policy_change": "looser", "acks": frozenset({"policy"})}, "success"),
        ({"policy_change": "tighter", "agent": "Devin"}, "success"),
        ({"policy_change": Unknown("it is being compared")}, None),
        ({"policy_fault": Unknown("line 3 is no YAML")}, None),
    ],
)
def test_what_is_missing_decides_how_it_ends(changes: dict[str, Any], conclusion: str | None) -> None:
    assert weigh(seen(**changes)).conclusion == conclusion


def test_what_never_comes_is_a_persons_business() -> None:
    waiting = seen(preview="working")
    assert weigh(waiting).conclusion is None
    assert weigh(waiting, waited=True).conclusion == "action_required"


NEEDS = st.lists(st.sampled_from(["change", "person", "time", "answer"]), max_size=4)


@settings(max_examples=300)
@given(NEEDS, st.booleans())
def test_it_passes_only_without_an_objection_and_ends_once_it_was_waited_for(needs: list[Needs], waited: bool) -> None:
    rules = [lambda _facts, one=need: objection(one) for need in needs]
    verdict = weigh(seen(), rules, waited=waited)
    assert (verdict.conclusion == "success") == (not needs)
    if waited:
        assert verdict.conclusion in ("success", "failure", "action_required")


@settings(max_examples=300)
@given(st.lists(st.sampled_from(["success", "failure", "action_required", None]), min_size=1, max_size=4))
def test_several_with_one_head_pass_only_together(ends: list[Any]) -> None:
    whole = together([Verdict((), end) for end in ends])
    assert (whole.conclusion == "success") == all(end == "success" for end in ends)
    assert (whole.conclusion == "failure") == ("failure" in ends)


def test_a_lifted_rule_stands_in_the_table_and_against_nothing() -> None:
    asked = seen(policy=under(Terms(soak=900)), lifted=frozenset({"soak"}))
    verdict = weigh(asked)
    assert verdict.conclusion == "success"
    said = told([(7, verdict)], verdict, "d" * 64)
    assert "lifted by" in said.summary
    assert '"lifted":true' in (said.text or "")


def test_what_outsiders_wrote_is_escaped_in_the_table() -> None:
    hostile = Check("<img src=x> | @team", 1, False, "completed", "failure")
    verdict = weigh(seen(checks=(hostile,)))
    said = told([(7, verdict)], verdict, "d" * 64)
    assert "<img" not in said.summary.replace("\\<", "")
    assert "@team" not in said.summary
    assert "<img" not in (said.text or "")


def test_a_commit_that_is_no_head_any_more_ends_as_cancelled() -> None:
    assert moved(HEAD).conclusion == "cancelled"


def test_the_twin_names_every_rule_of_every_pull() -> None:
    good, bad = weigh(seen()), weigh(seen(reviews=(), hands=frozenset({APPROVAL.reviewer_id})))
    said = told([(1, good), (2, bad)], together([good, bad]), "d" * 64)
    assert (said.text or "").count('"rule":') == len(good.lines) + len(bad.lines)
    assert said.title.startswith("2 pull requests: 1 of")
