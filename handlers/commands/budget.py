"""Shows what this change has cost and what is left: `/budget`, or of one of them only: `/budget project`."""

from __future__ import annotations

from bot.budgets import KINDS
from bot.messages.money import table
from bot.policy import Role
from handlers.commands.asked import Answer, Asked, Misused, Right

USAGE = "/budget [scope]"
RIGHT = Right(Role.READ)


async def run(asked: Asked) -> Answer:
    named = asked.words(0, 1, USAGE)
    if named and named[0] not in KINDS:
        raise Misused(f"A scope is one of {', '.join(KINDS)}.", USAGE)
    money = asked.service.previews.money
    account = await money.account(asked.project.id, asked.pull.number, named[0] if named else None)
    return Answer(True, table(account.cost, account.standings, account.currency, asked.service.clock()))
