"""Who bears the cost of what runs: the pull request, its agent, the project, its teams, the organization."""

from __future__ import annotations

from collections.abc import Iterable

from sqlmodel import Session

from bot.agents import Author, recognise
from bot.budgets import Scope
from bot.models import Installation, Project, PullRequest


def scopes_of(session: Session, project_id: int, number: int | None, teams: Iterable[str] = ()) -> tuple[Scope, ...]:
    """The scopes of a pull request's work, the narrowest first; without a number, of the project's own."""
    project = session.get(Project, project_id)
    pull = session.get(PullRequest, (project_id, number)) if number is not None else None
    found = []
    if pull is not None:
        found.append(Scope("pull", f"{project_id}#{pull.number}", f"#{pull.number}"))
        agent = _agent(pull)
        if agent is not None:
            found.append(agent)
    name = project.full_name if project else str(project_id)
    found.append(Scope("project", str(project_id), name, frozenset({name.lower()})))
    if project is None:
        return tuple(found)
    installation = session.get(Installation, project.installation_id)
    account = (installation.account if installation else "") or project.owner
    found += [Scope("team", f"{project.installation_id}/{team}", team) for team in sorted(set(teams))]
    found.append(Scope("organization", str(project.installation_id), account, frozenset({account.lower()})))
    return tuple(found)


def _agent(pull: PullRequest) -> Scope | None:
    """The account of a machine's work, by its number: also a person's, as far as a machine works under it."""
    known = pull.agent
    if known is None:
        signs = recognise(
            Author(pull.author_id, pull.author, pull.author_is_bot), branch=pull.head_ref, body="", commits=()
        )
        known = signs.name if signs else None
    if known is None and not pull.author_is_bot:
        return None
    login = pull.author.lower()
    names = {login, login.removesuffix("[bot]"), *({known.lower()} if known else ())}
    return Scope("agent", str(pull.author_id), known or pull.author, frozenset(names))
