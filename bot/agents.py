"""Who wrote a change, when it was a machine: the coding agents we know, and how one tells.

Only an account is authenticated by GitHub, and its number stays when its name changes hands: that is certain.  Logins,
branch names, commit authors, trailers and bodies are free text that anybody can write: they may make us stricter,
never laxer, and their absence proves nothing.  Addresses are matched whole: there are people at openai.com too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MESSAGE_READ = 65_536  # characters of a commit message or a body: the rest is not looked at


@dataclass(frozen=True, slots=True)
class Author:
    """The account that opened the pull request."""

    id: int
    login: str
    is_bot: bool


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


@dataclass(frozen=True, slots=True)
class Signs:
    """How one agent appears.  All text in lower case, but for `trailers`, which are regular expressions."""

    name: str
    accounts: tuple[int, ...] = ()
    logins: tuple[str, ...] = ()  # without "[bot]"
    addresses: tuple[str, ...] = ()
    branch: str | None = None  # a prefix
    body: str | None = None  # words that its pull requests carry
    trailers: tuple[str, ...] = ()  # beside Co-authored-by


# Dependabot (49699333), Renovate (29139614) and GitHub Actions (41898282) are machines but write no code of their own.
KNOWN: tuple[Signs, ...] = (
    Signs(
        "GitHub Copilot",
        accounts=(198982749, 223556219, 175728472),  # the cloud agent, other surfaces, Autofix
        logins=("copilot", "copilot-swe-agent"),
        addresses=("copilot@github.com",),
        branch="copilot/",
    ),
    Signs(
        "Claude Code",
        accounts=(209825114,),
        logins=("claude",),
        addresses=("noreply@anthropic.com",),
        branch="claude/",
        body="generated with [claude code]",
    ),
    Signs(
        "OpenAI Codex",
        accounts=(199175422,),
        logins=("chatgpt-codex-connector",),
        addresses=("noreply@openai.com", "codex@openai.com"),
        branch="codex/",
    ),
    Signs(
        "Cursor",
        accounts=(206951365,),
        logins=("cursor",),
        addresses=("cursoragent@cursor.com",),
        branch="cursor/",
    ),
    Signs("Devin", accounts=(158243242,), logins=("devin-ai-integration",), branch="devin/"),
    Signs("Google Jules", accounts=(161369871,), logins=("google-labs-jules",)),
    Signs("Gemini", accounts=(176961590,), logins=("gemini-code-assist", "gemini-cli")),
    Signs("Amazon Q", accounts=(208079219,), logins=("amazon-q-developer",)),
    Signs("Kiro", logins=("kiro-agent",), body="created by @kiro-agent on behalf of"),
    Signs(
        "opencode",
        logins=("opencode-agent",),
        addresses=("opencode-agent[bot]@users.noreply.github.com",),
        branch="opencode/",
    ),
    Signs("OpenHands", logins=("openhands-ai",), addresses=("openhands@all-hands.dev",)),
    Signs("Aider", addresses=("noreply@aider.chat", "aider@aider.chat")),
    Signs("Factory Droid", accounts=(138933559,), logins=("factory-droid",)),
    Signs("Amp", addresses=("amp@ampcode.com",), trailers=(r"amp-thread-id: *\S+",)),
    Signs(
        "Replit Agent",
        trailers=(r"replit-commit-author: *(agent|assistant|deployment)", r"replit-commit-session-id: *\S+"),
    ),
    Signs("Lovable", accounts=(159125892,), logins=("lovable-dev",), addresses=("noreply@lovable.dev",)),
    Signs("Cline", accounts=(205137888,), logins=("cline",)),
    Signs("Codegen", logins=("codegen-sh",)),
    Signs("Tembo", logins=("tembo",)),
    Signs("Mentat", logins=("mentatbot",)),
    Signs("Ellipsis", logins=("ellipsis-dev",)),
    Signs("cto.new", logins=("cto-new",)),
    Signs("Charlie", logins=("charliecreates",)),
    Signs("Roo Code", logins=("roomote",)),
    Signs("Kilo Code", logins=("kilo-code-bot",)),
    Signs("GitAuto", logins=("gitauto-ai",)),
    Signs("Continue", logins=("continue",)),
    Signs("Augment Code", logins=("augmentcode",)),
)

ACCOUNTS = {number: signs for signs in KNOWN for number in signs.accounts}
LOGINS = {login: signs for signs in KNOWN for login in signs.logins}
ADDRESSES = {address: signs for signs in KNOWN for address in signs.addresses}
TRAILERS = tuple((re.compile(trailer), signs) for signs in KNOWN for trailer in signs.trailers)

# GitHub's own addresses carry the account's number; the login after it may be an old one.
NUMBERED = re.compile(r"(\d{1,18})\+[^@\s]+@users\.noreply\.github\.com")
CO_AUTHOR = re.compile(r"co-authored-by:[^<>]*<([^<>\s]+)>")


def recognise(author: Author, *, branch: str, body: str, commits: Sequence[Commit]) -> Agent | None:
    """The coding agent behind a pull request, by the strongest sign there is; None when nothing speaks for one."""
    certain = ACCOUNTS.get(author.id)
    if certain is not None:
        return Agent(certain.name, f"opened by the account {author.login} ({author.id})", certain=True)
    for signs, why in _hints(author, branch.lower(), body[:MESSAGE_READ].lower(), commits):
        return Agent(signs.name, why, certain=False)
    return None


def _hints(author: Author, branch: str, body: str, commits: Sequence[Commit]) -> Iterator[tuple[Signs, str]]:
    """Signs that anybody could leave, the stronger first."""
    login = author.login.lower().removesuffix("[bot]")
    if author.is_bot and login in LOGINS:
        yield LOGINS[login], f"opened by the bot {author.login}"
    for commit in commits:
        for role, address in (("written", commit.author_email), ("committed", commit.committer_email)):
            signs = _by_address(address.strip().lower())
            if signs is not None:
                yield signs, f"a commit {role} by {address.strip()[:80]}"
    for commit in commits:
        yield from _trailers(commit.message[:MESSAGE_READ].lower())
    for signs in KNOWN:
        if signs.body is not None and signs.body in body:
            yield signs, f"the description says “{signs.body}”"
    for signs in KNOWN:
        if signs.branch is not None and branch.startswith(signs.branch):
            yield signs, f"the branch begins with {signs.branch}"


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
