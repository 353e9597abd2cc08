"""Lifts one rule for one commit, for a while: `/override soak --reason=words --for=30m`.  The policy names who may."""

from __future__ import annotations

from bot.permissions import teams_of
from bot.policy import Role, Unknown
from bot.policy.people import named, within
from bot.policy.terms import OVERRIDABLE
from handlers.commands.asked import Answer, Asked, Misused, Right, refused, span

USAGE = "/override soak [commit] --reason=words --for=30m"
RIGHT = Right(Role.WRITE, people=True)


async def run(asked: Asked) -> Answer:
    rule, *commit = asked.words(1, 2, USAGE)
    override = (await asked.service.policies.held(asked.project, live=True)).effective.override
    if rule not in OVERRIDABLE or rule in override.never:
        raise Misused(f"{rule} is no rule that can be lifted; these can: {', '.join(sorted(OVERRIDABLE))}.", USAGE)
    if not asked.flag("reason"):
        raise Misused("It needs a reason: it stands in the books.", USAGE)
    seconds = span(asked.flag("for") or "30m", USAGE)
    if seconds > override.max:
        raise Misused(f"The policy lifts a rule for {override.max // 60} minutes at most.", USAGE)
    circles = override.by(rule)
    role, teams = await asked.role(), await teams_of(asked.repository, asked.actor.login, circles)
    allowed = within(circles, asked.actor.id, role, teams)
    if isinstance(allowed, Unknown):
        return refused("permission_unknown", f"I could not verify who may: {allowed.why}", "Try again in a moment.")
    if not allowed:
        words = f"{asked.actor.login} may not lift {rule}: the policy names {named(circles)}."
        return refused("not_permitted", words, "Ask one of them.")
    again = f'/override {rule} --reason="{asked.flag("reason")}" --for={asked.flag("for") or "30m"}'
    sha = await asked.looked_at(commit[0] if commit else None, again)
    if isinstance(sha, Answer):
        return sha
    return asked.leave("override", rule, sha, f"{rule} is lifted for {sha[:7]}.", seconds)
