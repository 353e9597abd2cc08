"""A GitHub on your own machine: REST, git over HTTP, signed webhooks and pages for people; needs no account."""

from demo.github.actions.pulls import NotMergeable
from demo.github.git import Conflict, GitFailed
from demo.github.hooks import HookDelivery
from demo.github.hub import EVENTS, PERMISSIONS, Missing
from demo.github.records import Call
from demo.github.rest.ask import IDS, TOKEN
from demo.github.server import DemoGitHub

__all__ = [
    "EVENTS",
    "IDS",
    "PERMISSIONS",
    "TOKEN",
    "Call",
    "Conflict",
    "DemoGitHub",
    "GitFailed",
    "HookDelivery",
    "Missing",
    "NotMergeable",
]
