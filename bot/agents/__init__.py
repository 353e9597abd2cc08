"""Who wrote a change, when it was a machine: by the numbers that a policy declares, else by signs.

Only an account is authenticated by GitHub, and its number stays when its name changes hands: that is certain.  Logins,
branch names, commit authors, trailers and bodies are free text that anybody can write: they may make us stricter,
never laxer, and their absence proves nothing.  Addresses are matched whole: there are people at openai.com too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from bot.agents.known import ACCOUNTS, ADDRESSES, KNOWN, LOGINS, TRAILERS, Signs

__all__ = [
    "CO_AUTHOR",
    "KNOWN",
    "MESSAGE_READ",
    "NUMBERED",
    "Agent",
    "Author",
    "Commit",
    "Declared",
    "Sign",
    "binds",
    "declared",
    "identify",
    "recognise",
]

MESSAGE_READ = 65_536  # characters of a commit message or a body: the rest is not looked at

# The first three are words of a policy; body and branch name an agent for people and bind nobody.
Sign = Literal["bot_author", "coauthor_trailer", "performed_via_app", "body", "branch", "declared"]


@dataclass(frozen=True, slots=True)
class Author:
    """The account that opened the pull request, and the app through which it did, if any."""

    id: int
    login: str
    is_bot: bool
    via_app: int | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit as far as it names who wrote it."""

    author_email: str
    committer_email: str
    message: str


@dataclass(frozen=True, slots=True)
class Agent:
    """`certain`: GitHub itself vouches for the account; otherwise a sign that could be forged."""

    name: str
    why: str
    certain: bool
    sign: Sign = field(default="bot_author", compare=False)


class Declared(Protocol):
    """An agent that a policy names by its number; `bot.policy` has the real one."""

    @property
    def kind(self) -> Literal["app", "user"]: ...
    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...


# GitHub's own addresses carry the account's number; the login after it may be an old one.
NUMBERED = re.compile(r"(\d{1,18})\+[^@\s]+@users\.noreply\.github\.com")
CO_AUTHOR = re.compile(r"co-authored-by:[^<>]*<([^<>\s]+)>")


def declared(identities: Iterable[Declared], user_id: int, via_app: int | None) -> Declared | None:
    """The declared agent that an account or an app is, by their numbers and nothing else."""
    wanted = {("user", user_id), ("app", via_app)}
    return next((one for one in identities if (one.kind, one.id) in wanted), None)


def identify(
    author: Author,
    *,
    identities: Iterable[Declared],
    treat: Collection[str],
    branch: str,
    body: str,
    commits: Sequence[Commit],
) -> Agent | None:
    """The agent behind a pull request under a policy: one that is declared, else by the signs in `treat`, else by any.

    One found by a sign that is not in `treat` is named for people and not held to what binds agents: see `binds`."""
    one = declared(identities, author.id, author.via_app)
    if one is not None:
        name = one.name or (author.login if one.kind == "user" else f"app {one.id}")
        return Agent(name, f"declared in the policy: {one.kind} {one.id}", certain=True, sign="declared")
    found = list(_signs(author, branch, body, commits))
    if author.is_bot:
        found.append(Agent(author.login, f"opened by the bot account {author.login} ({author.id})", certain=True))
    if author.via_app:
        why = f"opened through the app {author.via_app}"
        found.append(Agent(f"app {author.via_app}", why, certain=True, sign="performed_via_app"))
    return next((agent for agent in found if agent.sign in treat), found[0] if found else None)


def binds(agent: Agent, treat: Collection[str]) -> bool:
    """Whether what a policy says of agents holds for this one."""
    return agent.sign == "declared" or agent.sign in treat


def recognise(author: Author, *, branch: str, body: str, commits: Sequence[Commit]) -> Agent | None:
    """The coding agent behind a pull request, by the strongest sign there is; None when nothing speaks for one."""
    return next(_signs(author, branch, body, commits), None)


def _signs(author: Author, branch: str, body: str, commits: Sequence[Commit]) -> Iterator[Agent]:
    """All that speaks for an agent we know, the stronger first."""
    certain = ACCOUNTS.get(author.id)
    if certain is not None:
        yield Agent(certain.name, f"opened by the account {author.login} ({author.id})", certain=True)
    for signs, why, sign in _hints(author, branch.lower(), body[:MESSAGE_READ].lower(), commits):
        yield Agent(signs.name, why, certain=False, sign=sign)


def _hints(author: Author, branch: str, body: str, commits: Sequence[Commit]) -> Iterator[tuple[Signs, str, Sign]]:
    """Signs that anybody could leave, the stronger first."""
    login = author.login.lower().removesuffix("[bot]")
    if author.is_bot and login in LOGINS:
        yield LOGINS[login], f"opened by the bot {author.login}", "bot_author"
    for commit in commits:
        for role, address in (("written", commit.author_email), ("committed", commit.committer_email)):
            signs = _by_address(address.strip().lower())
            if signs is not None:
                yield signs, f"a commit {role} by {address.strip()[:80]}", "bot_author"
    for commit in commits:
        for signs, why in _trailers(commit.message[:MESSAGE_READ].lower()):
            yield signs, why, "coauthor_trailer"
    for signs in KNOWN:
        if signs.body is not None and signs.body in body:
            yield signs, f"the description says “{signs.body}”", "body"
    for signs in KNOWN:
        if signs.branch is not None and branch.startswith(signs.branch):
            yield signs, f"the branch begins with {signs.branch}", "branch"


def _trailers(message: str) -> Iterator[tuple[Signs, str]]:
    for each in map(str.strip, message.splitlines()):
        co_author = CO_AUTHOR.fullmatch(each)
        address = co_author[1] if co_author else ""
        signs = _by_address(address)
        if signs is not None:
            yield signs, f"a commit co-authored by {address[:80]}"
        for trailer, by_trailer in TRAILERS:
            if trailer.fullmatch(each):
                yield by_trailer, f"a commit with the trailer {each.partition(':')[0]}"


def _by_address(address: str) -> Signs | None:
    numbered = NUMBERED.fullmatch(address)
    return ACCOUNTS.get(int(numbered[1])) if numbered else ADDRESSES.get(address)
