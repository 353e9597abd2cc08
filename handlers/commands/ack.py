"""Says that a person has looked at what the policy wants looked at: `/ack dependencies`, `migrations` or `policy`."""

from __future__ import annotations

from bot.policy import Role
from handlers.commands.asked import Answer, Asked, Misused, Right, refused

USAGE = "/ack dependencies [commit]"  # or migrations, or policy
KNOWN = {"dependencies": Role.WRITE, "migrations": Role.WRITE, "policy": Role.ADMIN}
RIGHT = Right(Role.WRITE, people=True)


async def run(asked: Asked) -> Answer:
    what, *named = asked.words(1, 2, USAGE)
    if what not in KNOWN:
        raise Misused(f"{what} is nothing that is acknowledged.", USAGE)
    if asked.actor.id == asked.pull.author_id:
        words = "Who opened the pull request can't acknowledge it."
        return refused("not_permitted", words, "Ask somebody else with write permission.")
    role = await asked.role()
    if role < KNOWN[what]:
        words = f"A change of the policy is acknowledged by an admin; {asked.actor.login} is none."
        return refused("not_permitted", words, "Ask somebody with admin permission.")
    sha = await asked.looked_at(named[0] if named else None, f"/ack {what}")
    if isinstance(sha, Answer):
        return sha
    return asked.leave("ack", what, sha, f"Noted for {sha[:7]}: {what}.")
