"""All rules, in the order in which they are weighed, and how they become a verdict."""

from __future__ import annotations

from collections.abc import Sequence

from bot.policy import change, people, pull, stops
from bot.policy.facts import Facts
from bot.policy.objection import Objection, Rule

# Is this change good?  Asked of every head, for the required check.
GATE: tuple[Rule, ...] = (
    change.policy_known,
    change.policy_kept,
    pull.ready,
    pull.own_branch,
    pull.previewed,
    people.approved,
    people.undisputed,
    change.checks,
    change.scanned,
    change.size,
    change.paths,
    change.dependencies,
    change.migrations,
    change.decided_elsewhere,
    stops.soaked,
)

# May this account release it here, now?
RULES: tuple[Rule, ...] = (
    people.permission,
    people.person,
    people.not_author,
    change.policy_known,
    pull.state,
    pull.ready,
    pull.own_branch,
    pull.displayed,
    pull.head_still,
    change.earlier,
    stops.unfrozen,
    stops.open_now,
    stops.unlocked,
    stops.unheld,
    people.approved,
    people.undisputed,
    change.checks,
    change.scanned,
    change.size,
    change.paths,
    change.dependencies,
    change.migrations,
    change.policy_kept,
    change.decided_elsewhere,
    stops.soaked,
    people.confirmed,
)

# Back to what was verified: no approval, no freeze, no hold; a lock is lifted by the same people with one command.
ROLLBACK: tuple[Rule, ...] = (people.permission, people.person, stops.unlocked)


def judge(facts: Facts, rules: Sequence[Rule] | None = None) -> tuple[Objection, ...]:
    """Every objection, the weightiest first, each said once; none: allowed.  Without `rules`: those of a promotion."""
    said: dict[tuple[str, str], Objection] = {}
    for rule in RULES if rules is None else rules:
        found = rule(facts)
        if found is not None and not lifted(facts, found):
            said.setdefault((found.reason_code, found.words), found)
    return tuple(said.values())


def lifted(facts: Facts, objection: Objection) -> bool:
    """Whether somebody with the right has lifted this rule; what nobody may lift never is."""
    return objection.rule in facts.lifted and objection.rule not in facts.policy.override.never
