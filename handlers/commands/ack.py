"""A person has looked: `/ack dependencies`, `migrations` or `policy`; `/ack 3f9a1c0b` at a finding of the scan."""

from __future__ import annotations

from bot.policy import Role
from handlers.commands import finding
from handlers.commands.asked import Answer, Asked, Misused, Right, refused

USAGE = "/ack dependencies [commit]"  # or migrations, or policy, or a finding's id
KNOWN = {"dependencies": Role.WRITE, "migrations": Role.WRITE, "policy": Role.ADMIN}
RIGHT = Right(Role.WRITE, people=True)
SECURITY = Role.MAINTAIN  # who may let a finding pass


async def run(asked: Asked) -> Answer:
    what, *commit = asked.words(1, 2, USAGE)
    ident = finding.named(what)
    if what not in KNOWN and ident is None:
        raise Misused(f"{what} is nothing that is acknowledged.", USAGE)
    if asked.actor.id == asked.pull.author_id:
        words = "Who opened the pull request can't acknowledge it."
        return refused("not_permitted", words, "Ask somebody else with write permission.")
    named = commit[0] if commit else None
    return await (_finding(asked, ident, named) if ident is not None else _change(asked, what, named))


async def _change(asked: Asked, what: str, named: str | None) -> Answer:
    if await asked.role() < KNOWN[what]:
        words = f"A change of the policy is acknowledged by an admin; {asked.actor.login} is none."
        return refused("not_permitted", words, "Ask somebody with admin permission.")
    sha = await asked.looked_at(named, f"/ack {what}")
    if isinstance(sha, Answer):
        return sha
    return asked.leave("ack", what, sha, f"Noted for {sha[:7]}: {what}.")


async def _finding(asked: Asked, ident: str, named: str | None) -> Answer:
    role = await asked.role()
    if role < SECURITY:
        words = f"A finding is acknowledged by a maintainer; {asked.actor.login} is none."
        after = f"Ask somebody with {SECURITY.word} permission, or mend it and push."
        return finding.no("permission", "not_permitted", words, role.word, SECURITY.word, after)
    sha = await asked.looked_at(named, f"/ack {ident}")
    if isinstance(sha, Answer):
        return sha
    one = await finding.found(asked, ident, sha)
    if isinstance(one, Answer):
        return one
    return finding.word(asked, "ack", one, sha, f"{one.rule} in {one.path} is acknowledged for {sha[:7]}.")
