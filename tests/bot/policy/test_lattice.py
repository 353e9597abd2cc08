"""Layers only tighten each other: what is merged allows what all of them allow, and nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest

from bot.policy import fields
from bot.policy.compare import compare
from bot.policy.meets import within
from bot.policy.merge import Layer, merge
from bot.policy.schema import Policy
from bot.policy.terms import OVERRIDABLE, Effective, Terms
from tests.bot.policy.probes import NAMED, PEOPLE, PROBES, nested, policy, probe

CASES = 21_000
SAMPLES = 10  # requests for each combination of layers
ASKED = 5  # fields that the layers speak of, in each request; one more at random
DESCRIBES = {"environments.*.health.path", "environments.*.health.expect", "environments.*.auto_rollback.to"}
DESCRIBES |= {"isolation.production_data"}

Said = dict[str, Any]


def layers(dice: random.Random, pool: list[tuple[Said, Policy]]) -> list[tuple[Said, Policy]]:
    return dice.sample(pool, dice.randint(1, 4))


def merged(chosen: list[tuple[Said, Policy]]) -> Effective:
    return merge([Layer(f"layer {n}", one) for n, (_said, one) in enumerate(chosen)])


def held(effective: Effective) -> Said:
    found = dict(fields.held(effective.preview, "environments.preview"))
    for name, stage in effective.environments.items():
        found |= fields.held(stage, f"environments.{name}")
    for name in ("agents", "budgets", "isolation", "override", "scan"):
        found |= fields.held(getattr(effective, name), name)
    return found


DEFAULTS = held(Effective(environments={name: Terms() for name in ("production", "staging", "qa")}))


def known(path: str) -> bool:
    try:
        probe(path)
    except KeyError:
        return False
    return True


ASKABLE = sorted(path for path in DEFAULTS if known(path) and ".qa." not in path)


@pytest.fixture(scope="module")
def pool() -> list[tuple[Said, Policy]]:
    dice = random.Random(4)
    found = []
    for _ in range(400):
        said = policy(dice, dice.randint(0, 40))
        found.append((said, Policy.model_validate(nested(said))))
    return found


def test_every_field_that_forbids_something_is_asked_about() -> None:
    assert set(fields.leaves()) - set(PROBES) == DESCRIBES | {"override.roles"}


@pytest.mark.slow
def test_what_is_merged_allows_exactly_what_every_layer_allows(pool: list[tuple[Said, Policy]]) -> None:
    dice = random.Random(24)
    cases, verdicts = 0, list[bool]()
    while cases < CASES:
        chosen = layers(dice, pool)
        values = held(merged(chosen))
        spoken = sorted({path for said, _policy in chosen for path in said})
        for _ in range(SAMPLES):
            cases += 1
            asked = [*dice.sample(spoken, min(ASKED, len(spoken))), dice.choice(ASKABLE)]
            for path in asked:
                fact = dice.choice(probe(path).facts)
                expected = every_layer_allows(path, fact, chosen)
                assert probe(path).held(values[path], fact) is expected, (path, fact, chosen)
                verdicts.append(expected)
    assert min(verdicts.count(True), verdicts.count(False)) > CASES  # both answers, often


def every_layer_allows(path: str, fact: Any, chosen: list[tuple[Said, Policy]]) -> bool:
    """By what their files say; what none speaks of has its default."""
    asking = probe(path)
    words = [said[path] for said, _policy in chosen if path in said]
    default = asking.held(DEFAULTS[path], fact)
    if path == "override.never":  # its default can't be taken out
        return default and all(asking.said(word, fact) for word in words)
    return all(asking.said(word, fact) for word in words) if words else default


def test_who_may_lift_a_rule_is_whom_every_layer_that_sets_it_names(pool: list[tuple[Said, Policy]]) -> None:
    dice = random.Random(7)
    for _ in range(400):
        chosen = [with_roles(dice, said) for said, _policy in layers(dice, pool)]
        override = merged(chosen).override
        for rule in ("soak", "freeze", "approval", "hold"):
            who = dice.choice(PEOPLE)
            words = [word for said, _policy in chosen if (word := lifted(said, rule, who)) is not None]
            expected = bool(words) and all(words) and rule not in override.never
            assert all(who & circle for circle in override.by(rule)) is expected


def with_roles(dice: random.Random, said: Said) -> tuple[Said, Policy]:
    rules = dice.sample(("soak", "freeze", "approval", "hold"), dice.randint(0, 4))
    said = {**said, "override.roles": {rule: dice.choice(NAMED) for rule in rules}}
    return said, Policy.model_validate(nested(said))


def lifted(said: Said, rule: str, who: frozenset[str]) -> bool | None:
    """What one layer says; None: nothing."""
    if rule in said["override.roles"]:
        return bool(who & set(said["override.roles"][rule]))
    inside = [path.split(".", 2)[-1] if path.startswith("environments.") else path for path in said]
    roots = OVERRIDABLE[rule]
    return False if any(path == root or path.startswith(f"{root}.") for path in inside for root in roots) else None


def values_of(path: str) -> list[Any]:
    """Values of one field as terms hold them, its default among them."""
    file = path.replace("*", "production")
    found = [DEFAULTS[file]]
    for raw in PROBES[path].raw:
        found += [value for at, value in fields.said(Policy.model_validate(nested({file: raw}))) if at == file]
    return found


@pytest.mark.parametrize("path", sorted(PROBES))
def test_each_meet_is_associative_commutative_and_idempotent(path: str) -> None:
    meet, values = fields.leaves()[path].meet, values_of(path)
    assert meet.ordered
    for one in values:
        assert meet(one, one) == one
        for other in values:
            assert meet(one, other) == meet(other, one)
            for third in values:
                assert meet(meet(one, other), third) == meet(one, meet(other, third))


def test_the_order_of_layers_does_not_matter_to_what_is_forbidden(pool: list[tuple[Said, Policy]]) -> None:
    dice = random.Random(9)
    for _ in range(200):
        chosen = layers(dice, pool)
        there, back = merged(chosen), merged(chosen[::-1])
        assert there == back
        assert there.digest == back.digest or any("freezes" in path for said, _policy in chosen for path in said)
        assert merged([*chosen, *chosen]) == there


def test_a_layer_more_is_never_looser(pool: list[tuple[Said, Policy]]) -> None:
    dice = random.Random(11)
    for _ in range(150):
        *some, last = dice.sample(pool, dice.randint(2, 4))
        # What nobody else speaks of has only a default, and a default may be loosened.
        spoken = {path for said, _policy in some for path in said}
        said = {path: value for path, value in last[0].items() if path in spoken}
        more = [*some, (said, Policy.model_validate(nested(said)))]
        ways = {difference.path: difference.way for difference in compare(merged(some), merged(more))}
        assert set(ways.values()) <= {"tighter"}
        back = {difference.path: difference.way for difference in compare(merged(more), merged(some))}
        assert set(back.values()) <= {"looser"}
        assert set(back) == set(ways)


def test_tighter_denies_more_and_looser_allows_more(pool: list[tuple[Said, Policy]]) -> None:
    """Whatever compare calls tighter allows nothing that was denied before."""
    dice = random.Random(13)
    for _ in range(150):
        old, new = (merged(layers(dice, pool)) for _ in range(2))
        before, after = held(old), held(new)
        for difference in compare(old, new):
            if difference.way != "tighter" or not known(difference.path) or difference.path not in before:
                continue
            asking = probe(difference.path)
            for fact in asking.facts:
                was, now = (
                    asking.held(one.get(difference.path, DEFAULTS[difference.path]), fact) for one in (before, after)
                )
                assert was or not now, difference


def test_nobody_is_in_a_set_that_they_are_not_in() -> None:
    circles = [frozenset(one) for one in NAMED]
    for one in circles:
        for other in circles:
            if within(one, other):
                assert all(who & other for who in PEOPLE if who & one)
