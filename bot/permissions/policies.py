"""Which policy holds for a project: the server's floor, the organization's file, the project's own.

Each layer is read from a default branch, never from a pull request.  What was valid last goes on holding while a file
can't be read or is no policy any more; that it is so is the `fault`, and denies production.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
import weakref
from collections.abc import Callable

from bot.errors import GitHubDown, GitHubRefused, Misconfigured, TryLater
from bot.github import GitHub, Repository
from bot.github.files import NotAFile
from bot.models import PolicyText, Project
from bot.policy import Unknown
from bot.policy.load import Invalid, load
from bot.policy.merge import Layer, merge
from bot.policy.schema import Policy
from bot.policy.terms import Effective
from bot.policy.text import LARGEST
from bot.settings import Settings
from bot.store import Store, policies
from bot.store.policies import Reading

PATH = ".slipway.yml"
SHARED = ".github"  # the repository that speaks for its whole organization
FRESH_SECONDS = 60.0  # what was asked so lately is not asked again
AGAIN_SECONDS = 10.0  # the same when there was no answer
PATIENCE_SECONDS = 5.0  # that a preview waits for GitHub before it goes on with what is kept
FAULTS = 5  # of a file, in the words for people
_UNSEEN = (404, 422)  # what a token for a repository is refused with that the installation does not have
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """What holds for a project now.  `commit`: git's hash of the project's own file, None without one.

    `fault`: why the policy could not be read, or is none: `effective` is then of the last valid texts, and production
    is denied with these words."""

    effective: Effective
    commit: str | None = None
    fault: Unknown | None = None
    unread: Unknown | None = None  # the part of it that GitHub may answer in a moment
    layers: tuple[Layer, ...] = ()  # what it was merged from


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    """A layer of a project, and where it is written."""

    name: str  # organization, project
    key: str
    repository: Repository
    words: str


class Policies:
    """`held` reads, `refresh` asks GitHub because something was pushed.  Raises Misconfigured for a wrong floor."""

    def __init__(self, settings: Settings, store: Store, github: GitHub, clock: Callable[[], float]) -> None:
        self._store, self._github, self._clock = store, github, clock
        self._floor = floor(settings)
        self._asked: dict[str, float] = {}  # when each layer was asked for
        self._begun: dict[str, int] = {}  # how often
        self._unread: dict[str, Unknown] = {}  # why there was no answer
        self._renewing: set[asyncio.Task[None]] = set()
        self._asking: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def held(self, project: Project, *, live: bool = False) -> Held:
        """What holds; `live`: GitHub is asked now, whatever is kept.  Raises TryLater, and only when `live`."""
        places = self._places(project)
        rows = await asyncio.gather(*(self._look(place, project, live=live) for place in places))
        layers = [Layer("server", self._floor)] if self._floor is not None else []
        faults: list[Unknown] = []
        for place, row in zip(places, rows, strict=True):
            if place.key in self._unread:
                faults.append(self._unread[place.key])
            if row is not None and row.fault:
                faults.append(Unknown(row.fault))
            if row is not None and row.valid_text is not None:
                try:
                    layers.append(Layer(place.name, await parsed(row.valid_text)))
                except Invalid as error:  # another version of Slipway took it
                    faults.append(Unknown(f"{PATH} of {place.words} is not valid any more: {spelled(error)}"))
        own = rows[-1]
        commit = own.valid_sha if own is not None else None
        unread = next((self._unread[place.key] for place in places if place.key in self._unread), None)
        return Held(merge(layers), commit, faults[0] if faults else None, unread, tuple(layers))

    async def refresh(self, project: Project, guid: str | None = None) -> bool:
        """Ask GitHub for what the project's default branch says, and keep it; True: something else holds now.

        Of the organization's own repository that is what holds for all of its projects.  `guid`: the delivery that
        told of it.  Raises GitHubDown and TryLater, so that it is asked again."""
        organization, own = self._places(project)
        changed = await self._ask(own, project, guid)
        if project.name.lower() == SHARED:
            changed = await self._ask(organization, project, guid) or changed
        return changed

    def _places(self, project: Project) -> tuple[_Place, _Place]:
        shared = f"{project.owner}/{SHARED}"
        above = self._github.repository(project.installation_id, SHARED, shared)
        organization = _Place("organization", f"organization:{project.installation_id}", above, shared)
        own = _Place("project", f"project:{project.id}", self._repository(project), project.full_name)
        return organization, own

    def _repository(self, project: Project) -> Repository:
        return self._github.repository(project.installation_id, project.id, project.full_name)

    async def _look(self, place: _Place, project: Project, *, live: bool) -> PolicyText | None:
        """A layer's row.  Unless it has to be live, nobody waits for GitHub but the first who asks: what is too old is
        asked for beside the work, and a push to a default branch is told anyway.  Without an answer: what is kept."""
        if not live and place.key in self._asked and place.key not in self._unread:
            if not self._fresh(place):
                self._renew(place, project)
        elif live or not self._fresh(place):
            try:
                async with asyncio.timeout(None if live else PATIENCE_SECONDS):
                    await self._ask(place, project, None, kept=not live)
            except TimeoutError:
                self._unread[place.key] = Unknown(f"{PATH} of {place.words} could not be read: GitHub is slow")
            except GitHubDown:
                pass  # noted as the reason
            except TryLater:
                if live:
                    raise
        return await self._store.read(policies.text_of, place.key)

    def _renew(self, place: _Place, project: Project) -> None:
        async def ask() -> None:
            with contextlib.suppress(GitHubDown, TryLater):  # noted as the reason
                await self._ask(place, project, None, kept=True)

        task = asyncio.create_task(ask())
        self._renewing.add(task)
        task.add_done_callback(self._renewing.discard)

    async def close(self) -> None:
        """What is still being asked is given up."""
        for task in self._renewing:
            task.cancel()
        await asyncio.gather(*self._renewing, return_exceptions=True)

    def _fresh(self, place: _Place) -> bool:
        keeps = AGAIN_SECONDS if place.key in self._unread else FRESH_SECONDS
        return self._clock() < self._asked.get(place.key, -FRESH_SECONDS) + keeps

    async def _ask(self, place: _Place, project: Project, guid: str | None, *, kept: bool = False) -> bool:
        """One at a time a layer.  An answer to a later question than ours will do; `kept`: so will a fresh one."""
        begun = self._begun.get(place.key, 0)
        async with self._asking.setdefault(place.key, asyncio.Lock()):
            answered = self._begun.get(place.key, 0) > begun and place.key not in self._unread
            if answered or (kept and self._fresh(place)):
                return False
            self._begun[place.key] = self._begun.get(place.key, 0) + 1
            try:
                reading = await self._read(place)
            except (GitHubRefused, GitHubDown, TryLater) as error:
                _log.warning("the policy of %s can't be read: %s", place.words, error)
                self._unread[place.key] = Unknown(f"{PATH} of {place.words} could not be read: {error}")
                if isinstance(error, GitHubRefused):
                    return False
                raise
            else:
                self._unread.pop(place.key, None)
                return await self._keep(place, project, reading, guid)
            finally:
                self._asked[place.key] = self._clock()

    async def _keep(self, place: _Place, project: Project, reading: Reading, guid: str | None) -> bool:
        if reading.same(await self._store.read(policies.text_of, place.key)):
            return False
        if place.name == "project":
            for_whom = [project.id]
        else:
            for_whom = await self._store.read(policies.served, project.installation_id)
        _log.info("the policy of %s has changed%s", place.words, f": {reading.fault}" if reading.fault else "")
        return await self._store.write(policies.note_text, place.key, reading, for_whom, self._clock(), guid)

    async def _read(self, place: _Place) -> Reading:
        """Raises GitHubRefused, GitHubDown, TryLater."""
        where = f"{PATH} on the default branch of {place.words}"
        try:
            file = await place.repository.file(PATH)
        except GitHubRefused as error:
            if place.name == "organization" and error.status in _UNSEEN:
                return Reading()  # the app does not see such a repository
            raise
        except NotAFile as error:
            return Reading(fault=f"{where} is {error}.")
        if file is None:
            return Reading()
        text = file.content[: LARGEST + 1]
        try:
            await parsed(text)
        except Invalid as error:
            return Reading(text, file.sha, f"{where} is not valid: {spelled(error)}")
        return Reading(text, file.sha)


def floor(settings: Settings) -> Policy | None:
    """The server's own policy, which every other one can only tighten.  Raises Misconfigured."""
    if settings.policy is None:
        return None
    try:
        return load(settings.policy.read_bytes(), server=True)
    except OSError as error:
        raise Misconfigured(f"SLIPWAY_POLICY can't be read: {error}") from error
    except Invalid as error:
        raise Misconfigured(f"SLIPWAY_POLICY, {settings.policy}, is not valid:\n{error}") from error


def spelled(error: Invalid) -> str:
    """The first of its faults, in one line."""
    more = f"; and {len(error.faults) - FAULTS} more" if len(error.faults) > FAULTS else ""
    return "; ".join(map(str, error.faults[:FAULTS])) + more


async def parsed(text: bytes) -> Policy:
    """A file as a policy.  Raises Invalid.  In a thread: the largest one takes a tenth of a second."""
    return await asyncio.to_thread(_load, text)


@functools.lru_cache(maxsize=256)
def _load(text: bytes) -> Policy:
    return load(text)
