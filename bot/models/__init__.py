"""The books: what is kept in the database.  All times are Unix seconds (UTC), so that a clock can be passed in.

Words are the design's.  Rows that go on telling GitHub something carry what GitHub was last told, so that
`bot.reports` can compare and repeat nothing.
"""

from bot.models.base import BigId, new_id
from bot.models.books import AuditEntry
from bot.models.deployments import Build, Deployment, Route, State, Traffic
from bot.models.money import Alert, LedgerEntry, Meter, PriceList, Purse, Reservation, Spend
from bot.models.policy import Decision, PolicyChange, PolicyText
from bot.models.projects import AgentFreeze, Allowance, Display, Gate, Installation, Leave, Project, PullRequest
from bot.models.queue import Delivery, Effect, Work
from bot.models.releases import Environment, Release, Stage
from bot.models.scans import LateFinding, Night, Scan
from bot.models.secrets import Secret

__all__ = [
    "AgentFreeze",
    "Alert",
    "Allowance",
    "AuditEntry",
    "BigId",
    "Build",
    "Decision",
    "Delivery",
    "Deployment",
    "Display",
    "Effect",
    "Environment",
    "Gate",
    "Installation",
    "LateFinding",
    "Leave",
    "LedgerEntry",
    "Meter",
    "Night",
    "PolicyChange",
    "PolicyText",
    "PriceList",
    "Project",
    "PullRequest",
    "Purse",
    "Release",
    "Reservation",
    "Route",
    "Scan",
    "Secret",
    "Spend",
    "Stage",
    "State",
    "Traffic",
    "Work",
    "new_id",
]
