"""Who may do what, and why not: rules over facts, pure."""

from bot.policy.facts import Check, Facts, Review, Role, Stop, Stops, Unknown
from bot.policy.rules import ROLLBACK, RULES, Objection, Rule, digest, judge

__all__ = [
    "ROLLBACK",
    "RULES",
    "Check",
    "Facts",
    "Objection",
    "Review",
    "Role",
    "Rule",
    "Stop",
    "Stops",
    "Unknown",
    "digest",
    "judge",
]
