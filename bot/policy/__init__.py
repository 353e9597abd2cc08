"""Who may do what, and why not: rules over facts, pure."""

from bot.policy.facts import Changed, Check, Facts, Review, Role, Stop, Stops, Unknown
from bot.policy.objection import Objection, Rule
from bot.policy.rules import GATE, ROLLBACK, RULES, judge

__all__ = [
    "GATE",
    "ROLLBACK",
    "RULES",
    "Changed",
    "Check",
    "Facts",
    "Objection",
    "Review",
    "Role",
    "Rule",
    "Stop",
    "Stops",
    "Unknown",
    "judge",
]
