"""Errors that cross a layer, and what they mean; told in one place (bot.worker, bot.cli, bot.web)."""

from __future__ import annotations

import datetime as dt

from bot import Misconfigured, SlipwayError

__all__ = [
    "GitHubDown",
    "GitHubRefused",
    "Misconfigured",
    "SlipwayError",
    "SourceUnavailable",
    "Superseded",
    "TryLater",
]


class TryLater(SlipwayError):
    """The outside asked us to wait: the delivery goes back to the queue and this does not count as an attempt."""

    def __init__(self, reason: str, until: dt.datetime) -> None:
        super().__init__(reason)
        self.until = until


class GitHubRefused(SlipwayError):
    """GitHub answered 4xx to a request that we meant: permission, validation, not found."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class GitHubDown(SlipwayError):
    """GitHub answered 5xx or not at all, after retries."""


class SourceUnavailable(SlipwayError):
    """A revision's files can't be had: gone, forbidden, or they need submodules or LFS we can't fetch."""


class Superseded(SlipwayError):
    """A newer commit made this work pointless."""
