"""The coding agents we know, and how each appears.  Data: a new one is a row here."""

from __future__ import annotations

import re
from dataclasses import dataclass


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
