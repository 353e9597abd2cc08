"""Holds, locks and freezes: who stands in the way of a promotion, until when, and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from bot.models import Environment
from bot.permissions import role_of
from bot.policy import Role, Unknown
from bot.releases.ask import Ask, Outcome, refused
from bot.releases.ground import Ground
from bot.store import environments

Change = Callable[[Environment], None]


class Desk:
    """Each is one change of the environment's row, with its line in the books."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._store = ground, ground.store

    async def hold(self, ask: Ask) -> Outcome:
        """Nothing is promoted until somebody lifts it."""
        now = self._ground.clock()

        def change(env: Environment) -> None:
            env.hold, env.hold_by, env.hold_at = ask.reason or "no reason given", ask.actor.login, now
            env.hold_release = None

        return await self._change(ask, Role.TRIAGE, "hold.set", change, f"{ask.environment} is held.")

    async def unhold(self, ask: Ask) -> Outcome:
        def change(env: Environment) -> None:
            env.hold = env.hold_by = env.hold_at = env.hold_release = None

        return await self._change(ask, Role.MAINTAIN, "hold.lifted", change, f"{ask.environment} is not held any more.")

    async def lock(self, ask: Ask, seconds: float) -> Outcome:
        """Only the one who locked it may promote, for so many seconds."""
        until = self._ground.clock() + seconds
        env, _current = await self._store.read(environments.look, ask.project.id, ask.environment)
        if self._locked(env, ask.actor.id):
            words = f"{ask.environment} is locked by {env.lock_login}: {env.lock_reason}"
            return refused("locked", words, f"/unlock {ask.environment} --force")

        def change(env: Environment) -> None:
            env.lock_by, env.lock_login, env.lock_until = ask.actor.id, ask.actor.login, until
            env.lock_reason = ask.reason or "no reason given"

        return await self._change(
            ask, Role.WRITE, "lock.set", change, f"{ask.environment} is locked until {_at(until)}."
        )

    async def unlock(self, ask: Ask) -> Outcome:
        """One's own lock needs what setting it needs; somebody else's needs a deployer."""
        env, _current = await self._store.read(environments.look, ask.project.id, ask.environment)
        least = Role.MAINTAIN if self._locked(env, ask.actor.id) else Role.WRITE

        def change(env: Environment) -> None:
            env.lock_by = env.lock_login = env.lock_until = env.lock_reason = None

        return await self._change(ask, least, "lock.lifted", change, f"{ask.environment} is not locked any more.")

    async def freeze(self, ask: Ask, until: float) -> Outcome:
        """Nobody promotes until then; `until` in Unix seconds."""

        def change(env: Environment) -> None:
            env.freeze_until, env.freeze_by = until, ask.actor.login
            env.freeze_reason = ask.reason or "no reason given"

        words = f"{ask.environment} is frozen until {_at(until)}."
        return await self._change(ask, Role.MAINTAIN, "freeze.set", change, words)

    async def unfreeze(self, ask: Ask) -> Outcome:
        def change(env: Environment) -> None:
            env.freeze_until = env.freeze_by = env.freeze_reason = None

        words = f"{ask.environment} is not frozen any more."
        return await self._change(ask, Role.MAINTAIN, "freeze.lifted", change, words)

    def _locked(self, env: Environment, actor: int) -> bool:
        return env.lock_by not in (None, actor) and (env.lock_until or 0) > self._ground.clock()

    async def _change(self, ask: Ask, least: Role, what: str, change: Change, words: str) -> Outcome:
        role = await role_of(self._ground.repository(ask.project), ask.actor.login, ask.actor.id)
        if isinstance(role, Unknown):
            return refused("permission_unknown", f"I could not verify what {ask.actor.login} may do here: {role.why}")
        if role < least:
            ask_for = f"Ask somebody with {least.word} permission or more."
            return refused("not_permitted", f"{ask.actor.login} has {role.word} permission here.", ask_for)
        now = self._ground.clock()
        line = self._ground.line(what, ask, now)
        await self._store.write(environments.arrange, ask.project.id, ask.environment, ask.number, change, line)
        return Outcome(done=True, words=words, seconds=now - ask.received_at)


def _at(moment: float) -> str:
    return f"{dt.datetime.fromtimestamp(moment, dt.UTC):%Y-%m-%d %H:%M} UTC"
