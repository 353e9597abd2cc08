"""Who wrote it: certain by the account's number, a hint by anything else."""

from __future__ import annotations

from typing import Any

import pytest

from bot.agents import KNOWN, Agent, Author, Commit, binds, identify, recognise
from bot.policy.terms import Identity

PERSON = Author(1, "monalisa", False)


def seen(
    author: Author = PERSON,
    branch: str = "fix-it",
    body: str = "",
    emails: tuple[str, str] = ("m@x.io", "m@x.io"),
    message: str = "Fix",
) -> Agent | None:
    return recognise(author, branch=branch, body=body, commits=[Commit(*emails, message)])


def test_a_person_is_no_agent() -> None:
    assert seen() is None
    assert recognise(PERSON, branch="", body="", commits=[]) is None


@pytest.mark.parametrize(
    ("number", "login", "name"),
    [
        (198982749, "Copilot", "GitHub Copilot"),
        (209825114, "claude[bot]", "Claude Code"),
        (206951365, "cursor[bot]", "Cursor"),
        (158243242, "devin-ai-integration[bot]", "Devin"),
        (161369871, "google-labs-jules[bot]", "Google Jules"),
        (138933559, "factory-droid[bot]", "Factory Droid"),
    ],
)
def test_an_agents_account_is_known_by_its_number_for_certain(number: int, login: str, name: str) -> None:
    agent = seen(Author(number, login, True))

    assert agent == Agent(name, f"opened by the account {login} ({number})", certain=True)


def test_an_account_that_was_renamed_is_still_known() -> None:
    assert seen(Author(209825114, "something-else[bot]", True)) is not None


def test_a_bot_that_only_bears_an_agents_name_is_not_certain() -> None:
    agent = seen(Author(999, "claude[bot]", True))

    assert agent is not None
    assert not agent.certain


def test_a_person_called_claude_is_a_person() -> None:
    assert seen(Author(5, "claude", False), emails=("claude@example.com", "claude@example.com")) is None


@pytest.mark.parametrize(
    ("number", "login"), [(49699333, "dependabot[bot]"), (29139614, "renovate[bot]"), (41898282, "github-actions[bot]")]
)
def test_machines_that_are_no_coding_agents_are_not_named(number: int, login: str) -> None:
    assert (
        seen(Author(number, login, True), branch="dependabot/npm/x", message="Bump x\n\nSigned-off-by: d <d@x>") is None
    )


def test_a_workflow_that_carries_an_agents_commits_is_seen_through() -> None:
    actions = Author(41898282, "github-actions[bot]", True)

    agent = seen(actions, message="Fix\n\nCo-Authored-By: Claude Opus <noreply@anthropic.com>")

    assert agent is not None and agent.name == "Claude Code" and not agent.certain


@pytest.mark.parametrize(
    ("trailer", "name"),
    [
        ("Co-Authored-By: Claude Opus 4.5 <noreply@anthropic.com>", "Claude Code"),
        ("Co-authored-by: Codex <codex@openai.com>", "OpenAI Codex"),
        ("Co-authored-by: copilot-swe-agent[bot] <198982749+Copilot@users.noreply.github.com>", "GitHub Copilot"),
        ("co-authored-by: Cursor Agent <cursoragent@cursor.com>  ", "Cursor"),
        ("Co-authored-by: aider (gpt-5) <noreply@aider.chat>", "Aider"),
        ("Co-authored-by: opencode <opencode-agent[bot]@users.noreply.github.com>", "opencode"),
        ("Amp-Thread-ID: T-123", "Amp"),
        ("Replit-Commit-Author: Agent", "Replit Agent"),
    ],
)
def test_a_trailer_is_a_hint(trailer: str, name: str) -> None:
    agent = seen(message=f"Fix the till\n\nIt rang twice.\n\n{trailer}")

    assert agent is not None
    assert (agent.name, agent.certain) == (name, False)


@pytest.mark.parametrize(
    "trailer",
    [
        "Co-authored-by: Claude Monet <claude@openai.com>",  # a person at the same company
        "Co-authored-by: Claude <x.noreply@anthropic.com>",
        "Co-authored-by: Claude <noreply@anthropic.com.evil.example>",
        "Co-authored-by: x <99198982749+Copilot@users.noreply.github.com>",
        "Co-authored-by: x <198982749+Copilot@users.noreply.github.com.evil.example>",
        "Replit-Commit-Author: Alice",
        "see Co-authored-by: Claude <noreply@anthropic.com> in the log",
    ],
)
def test_what_only_looks_like_a_trailer_is_none(trailer: str) -> None:
    assert seen(message=f"Fix\n\n{trailer}") is None


def test_a_commits_author_is_matched_by_the_number_in_githubs_address() -> None:
    agent = seen(emails=("158243242+old-name[bot]@users.noreply.github.com", "noreply@github.com"))

    assert agent is not None and agent.name == "Devin" and not agent.certain


@pytest.mark.parametrize(
    ("branch", "name"), [("codex/fix", "OpenAI Codex"), ("Copilot/fix-1", "GitHub Copilot"), ("devin/1", "Devin")]
)
def test_a_branch_is_a_hint(branch: str, name: str) -> None:
    agent = seen(branch=branch)

    assert agent is not None
    assert (agent.name, agent.certain) == (name, False)


@pytest.mark.parametrize("branch", ["agent/x", "codex", "my/codex/x", "claude-fix"])
def test_other_branches_say_nothing(branch: str) -> None:
    assert seen(branch=branch) is None


def test_a_body_is_a_hint() -> None:
    agent = seen(body="Adds a till.\n\n🤖 Generated with [Claude Code](https://claude.com/claude-code)")

    assert agent is not None
    assert (agent.name, agent.certain) == ("Claude Code", False)


def test_the_stronger_sign_names_the_agent() -> None:
    agent = seen(branch="codex/x", message="Fix\n\nCo-authored-by: Claude <noreply@anthropic.com>")

    assert agent is not None and agent.name == "Claude Code"


def test_text_without_end_is_looked_at_in_no_time() -> None:
    assert seen(body="x" * 10_000_000, message="co-authored-by: " + "<" * 5_000_000) is None


def test_no_two_agents_share_a_sign() -> None:
    for field in ("accounts", "logins", "addresses"):
        every = [sign for signs in KNOWN for sign in getattr(signs, field)]
        assert len(every) == len(set(every))


# ---- under a policy


def known(author: Author = PERSON, *, message: str = "Fix", branch: str = "x", body: str = "", **policy: Any) -> Any:
    commits = [Commit("m@x.io", "m@x.io", message)]
    treat = policy.pop("treat", frozenset({"bot_author", "coauthor_trailer", "performed_via_app"}))
    found = identify(
        author, identities=policy.pop("identities", ()), treat=treat, branch=branch, body=body, commits=commits
    )
    return (found.name, found.sign, binds(found, treat)) if found else None


def test_who_is_declared_is_known_by_number_under_any_name() -> None:
    identities = [Identity("user", 555, "robo")]

    assert known(Author(555, "anything", False), identities=identities) == ("robo", "declared", True)
    assert known(Author(556, "robo", False), identities=identities) is None
    assert known(Author(556, "robo[bot]", False), identities=identities) is None  # a login ending in [bot] is a name


def test_an_app_is_not_the_user_with_the_same_number() -> None:
    app = [Identity("app", 555, "robo")]

    assert known(Author(555, "ann", False), identities=app) is None
    assert known(Author(1, "ann", False, via_app=555), identities=app) == ("robo", "declared", True)


def test_only_the_signs_that_the_policy_names_bind() -> None:
    trailer = "Fix\n\nCo-authored-by: Claude <noreply@anthropic.com>"

    assert known(message=trailer) == ("Claude Code", "coauthor_trailer", True)
    assert known(message=trailer, treat=frozenset({"bot_author"})) == ("Claude Code", "coauthor_trailer", False)
    assert known(branch="codex/x") == ("OpenAI Codex", "branch", False)
    assert known(branch="codex/x", message=trailer) == ("Claude Code", "coauthor_trailer", True)


def test_any_bot_and_what_came_through_an_app_are_machines() -> None:
    renovate = Author(29139614, "renovate[bot]", True)

    assert known(renovate) == ("renovate[bot]", "bot_author", True)
    assert known(renovate, treat=frozenset()) == ("renovate[bot]", "bot_author", False)
    assert known(Author(1, "ann", False, via_app=9)) == ("app 9", "performed_via_app", True)
    assert known() is None
