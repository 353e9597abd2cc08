"""What must never run again: a secret was in it, a hole was found, it spoilt what it touched."""

from __future__ import annotations

from bot.models import Stage
from bot.releases.ask import Ask, Outcome, refused
from bot.releases.ground import Ground
from bot.store import environments, revocation


class Revoke:
    """By artifact, in one environment: no way back leads there, and no promotion."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._store = ground, ground.store

    async def __call__(self, ask: Ask) -> Outcome:
        """Do it, or say why not.  `ask.target` and `ask.reason` are given."""
        target, name, now = ask.target or "", ask.environment, self._ground.clock()
        env, _current = await self._store.read(environments.look, ask.project.id, name)
        no = await self._ground.deployer(ask, env)
        if no is not None:
            return no
        words = f"Revoked by {ask.actor.login}: {ask.reason}"
        line = self._ground.line("release.revoked", ask, now)
        done = await self._store.write(revocation.revoke, ask.project.id, name, target, words, line, now)
        if done == "unknown":
            return refused("unknown_target", f"{name} has never been given that.", f"/status {name}")
        if done == "several":
            return refused("unknown_target", "Several commits begin like that: write more of it.")
        if done == "serves":
            say = f"{name} serves that: go back to another release first, then revoke it."
            return refused("already_serving", say, f"/rollback {name} --reason=words")
        many = f"{len(done)} release{'s' if len(done) != 1 else ''} of it"
        say = f"It is {Stage.REVOKED.value}: {many} will never run again." if done else "It had been revoked before."
        return Outcome(done=True, words=say, seconds=now - ask.received_at)
