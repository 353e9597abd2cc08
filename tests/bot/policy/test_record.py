"""Facts come back from JSON as they were, and decisions can be made again under another policy."""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.models import Decision
from bot.policy import GATE, ROLLBACK, RULES, Check, Facts, Review, Role, Stop, Stops, Unknown, judge
from bot.policy.load import load
from bot.policy.merge import Layer, merge
from bot.policy.record import NAMES, Unreadable, as_json, from_json, recorded, replay, table
from bot.policy.terms import Effective, Terms

PERSON = Facts("production", 1, "mia", actor_person=True, actor_role=Role.ADMIN)


def of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type, as the fields of facts are typed."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(of, inner))
    if origin is typing.Literal:
        return st.sampled_from(inner)
    if origin is frozenset:
        return st.frozensets(of(inner[0]), max_size=3)
    if origin is tuple:
        return st.lists(of(inner[0]), max_size=3).map(tuple)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return st.dictionaries(of(inner[0]), of(inner[1]), max_size=3).map(MappingProxyType)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return st.sampled_from(kind)
    if kind is Effective:
        return st.just(Effective())
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return st.builds(kind, **{one.name: of(hints[one.name]) for one in dataclasses.fields(kind) if one.init})
    if kind is float:
        return st.floats(allow_nan=False)
    return {str: st.text(max_size=8), int: st.integers(), bool: st.booleans(), type(None): st.none()}[kind]


@settings(deadline=None, max_examples=200)
@given(of(Facts))
def test_facts_come_back_as_they_were(facts: Facts) -> None:
    assert from_json(Facts, json.loads(json.dumps(as_json(facts)))) == facts


def test_a_whole_policy_comes_back_too() -> None:
    text = b"""
environments:
  production:
    deployers: [team:acme/leads, role:admin]
    checks: [{name: build, app: 15368}]
    windows: {tz: Europe/Berlin, allow: ["Mon-Thu 08:00-16:00"]}
    freezes: [{from: 2026-12-20T00:00, to: 2027-01-04T00:00}]
budgets: {limits: [{scope: project, period: month, limit: 50}]}
override: {roles: {freeze: role:admin}}
"""
    effective = merge([Layer("project", load(text))])

    back = from_json(Effective, json.loads(json.dumps(as_json(effective))))

    assert (back, back.digest, back.decided) == (effective, effective.digest, effective.decided)


def test_the_policy_is_not_kept_with_every_decision() -> None:
    assert "policy" not in recorded(PERSON)
    assert from_json(Facts, recorded(PERSON)) == PERSON


def test_a_field_that_is_newer_than_the_record_has_its_default() -> None:
    raw = recorded(PERSON)
    del raw["acks"]
    raw["gone_since"] = 5

    assert from_json(Facts, raw) == PERSON


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("actor_id", "1"),
        ("actor_id", True),
        ("stops", []),
        ("reviews", {"$": "Review"}),
        ("state", "ajar"),
        ("hands", 5),
    ],
)
def test_what_does_not_fit_is_refused(field: str, value: object) -> None:
    with pytest.raises(Unreadable):
        from_json(Facts, recorded(PERSON) | {field: value})


def test_a_record_of_another_kind_is_refused() -> None:
    with pytest.raises(Unreadable):
        from_json(Facts, as_json(Stop("r", 1)))


# ---- the table


def test_every_rule_has_a_row_and_says_who_decided_it() -> None:
    policy = merge(
        [
            Layer("server", load(b"environments: {production: {approvals: {count: 1}}}")),
            Layer("project", load(b"environments: {production: {approvals: {count: 2}, soak: 15m}}")),
        ]
    )
    facts = dataclasses.replace(
        PERSON, policy=policy, stops=Stops(), reviews=(), hands=frozenset(), nameless=False, head_sha="a" * 40
    )

    rows = {row.rule: row for row in table(facts, RULES)}

    assert len(table(facts, RULES)) == len(RULES)
    assert (rows["approval"].allowed, rows["approval"].reason_code) == (False, "approval_missing")
    assert rows["approval"].layers == ("project",)
    assert rows["permission"] == dataclasses.replace(rows["permission"], allowed=True, reason_code=None, layers=())


def test_a_rule_is_called_the_same_whether_it_passes_or_not() -> None:
    """Facts of which nothing is known make nearly every rule object."""
    why = Unknown("nobody asked")
    blind = Facts("production", 1, "mia", actor_person=False, policy_fault=why, agent="Claude Code")
    stopped = dataclasses.replace(blind, stops=Stops(Stop("r", 2), Stop("r", 2), Stop("r", 2)), draft=True)
    for rule in {*RULES, *GATE, *ROLLBACK}:
        for facts in (blind, stopped):
            found = rule(facts)
            if found is not None and not found.reason_code.endswith("_unknown"):
                assert NAMES.get(rule.__name__, rule.__name__) == found.rule


# ---- again


def decision(facts: Facts, kind: str = "gate") -> Decision:
    rules = GATE if kind == "gate" else RULES
    codes = [one.reason_code for one in judge(facts, rules)]
    return Decision(
        at=1.0,
        project_id=1,
        number=7,
        environment="production",
        kind=kind,
        facts=json.loads(json.dumps(recorded(facts))),
        policy_digest=facts.policy.digest,
        allowed=not codes,
        codes=codes,
        rulings=[],
    )


def ready() -> Facts:
    """A change that passes without any policy: one approval at the head, every check succeeded."""
    head = "a" * 40
    return dataclasses.replace(
        PERSON,
        author_id=2,
        state="open",
        draft=False,
        fork=False,
        head_sha=head,
        displayed_sha=head,
        merged_same=None,
        reviews=(Review(3, "bob", True, "APPROVED", head, Role.WRITE),),
        hands=frozenset({2}),
        nameless=False,
        checks=(Check("build", 5, False, "completed", "success"),),
        stops=Stops(),
        preview="live",
        live_since=0.0,
        now=1000.0,
    )


def test_decisions_are_made_again_under_a_stricter_policy() -> None:
    assert judge(ready(), GATE) == ()
    twice = merge([Layer("project", load(b"environments: {production: {approvals: {count: 2}}}"))])

    (again,) = replay([decision(ready())], twice)

    assert (again.before, again.after, again.turned) == ((), ("approval_missing",), True)


def test_and_under_a_laxer_one() -> None:
    unread = dataclasses.replace(ready(), reviews=())
    nobody = merge([Layer("project", load(b"environments: {production: {approvals: {count: 0}}}"))])

    (again,) = replay([decision(unread)], nobody)

    assert (again.before, again.after, again.turned) == (("approval_missing",), (), True)


def test_what_can_not_be_read_any_more_is_left_out() -> None:
    broken, strange = decision(ready()), decision(ready())
    broken.facts = broken.facts | {"reviews": "all"}
    strange.kind = "dance"

    assert replay([broken, strange], Effective(environments={"production": Terms()})) == []
