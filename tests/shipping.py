"""People who promote and roll back in a house, by the recipe itself, and what its books say of it."""

from __future__ import annotations

import dataclasses
import itertools
import time

from sqlmodel import Session, select

from bot.models import Display, Environment, Release, Stage
from bot.releases import Actor, Ask, Outcome, Watch
from bot.store import projects
from tests.house import House, eventually

MAIN = "main--shop--acme.localhost"
_guids = itertools.count(1)


def watched(home: House, watch: Watch) -> None:
    """The service watches with these times from now on."""
    assert home.service is not None
    vigil = home.service.releases.watch
    grounds = (vigil, home.service.releases._promote, home.service.releases._rollback)
    for one in grounds:
        one._ground = dataclasses.replace(one._ground, watch=watch)


async def ask(home: House, number: int, who: str = "mia", **words: object) -> Ask:
    assert home.service is not None
    repo, user = home.github.hub.repo(home.repo), home.github.user(who)
    project = await home.service.store.read(projects.project, repo.id)
    assert project is not None
    actor = Actor(user.id, user.login, "person", "comment")
    told = Ask(project, number, "production", None, None, actor, f"ask-{next(_guids)}", time.time())
    return dataclasses.replace(told, **words)  # type: ignore[arg-type]


async def promote(home: House, number: int, who: str = "mia", **words: object) -> Outcome:
    assert home.service is not None
    return await home.service.releases.promote(await ask(home, number, who, **words))


async def rollback(home: House, number: int, who: str = "mia", **words: object) -> Outcome:
    assert home.service is not None
    return await home.service.releases.rollback(await ask(home, number, who, reason="word", **words))


async def proposed(home: House, files: dict[str, str], branch: str = "change") -> int:
    """A pull request whose preview was shown, approved by somebody else, its checks at an end."""
    number = await home.propose(files, branch=branch)
    await approved(home, number)
    return number


async def approved(home: House, number: int) -> None:
    pull = home.github.hub.pull(home.repo, number)
    await home.says(number, "is live", pull.head_sha[:7])

    async def ended() -> bool | None:
        checks = home.checks(pull.head_sha)
        return True if checks and all(one.conclusion == "success" for one in checks) else None

    await eventually(ended)
    if home.service is not None:
        await noted(home, pull.head_sha)
    await home.github.review(home.repo, number, "bob")


async def noted(home: House, sha: str) -> None:
    """Wait until the books know that GitHub shows a commit: a command of earlier means what was shown before."""
    assert home.service is not None
    store = home.service.store

    def look(session: Session) -> Display | None:
        return session.exec(select(Display).where(Display.sha == sha)).first()

    await eventually(lambda: store.read(look))


async def books(home: House) -> tuple[Environment, list[Release]]:
    def look(session: Session) -> tuple[Environment, list[Release]]:
        rows = session.exec(select(Release).order_by(Release.started_at)).all()  # type: ignore[arg-type]
        return session.exec(select(Environment)).one(), list(rows)

    assert home.service is not None
    return await home.service.store.read(look)


async def stage(home: House, state: Stage, index: int = -1) -> Release:
    async def looked() -> Release | None:
        row = (await books(home))[1][index]
        return row if row.state is state else None

    return await eventually(looked)
