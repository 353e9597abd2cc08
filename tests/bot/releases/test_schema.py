"""When a way back is refused, and what is said."""

from __future__ import annotations

from typing import Any

import pytest

from bot.models import Project, Release
from bot.releases.ask import Actor, Ask
from bot.releases.schema import KEPT, destructive, guard, told, words
from bot.slash import Command, parse
from runners.base import Migration, Plan

KEEPS, AWAY, GONE = Migration("1", "a"), Migration("2", "b", "drops the table x"), Migration("3", "c", "renames y")


def release(*migrations: Migration, **fields: Any) -> Release:
    plan = Plan(language="python", kind="server", migrations=migrations).as_json()
    told = {"id": "r", "delivery": "d", "project_id": 1, "environment": "production", "deployment": "x", "plan": plan}
    return Release(**{**told, "sha": "0123456789" * 4, "artifact": "sha256:a", "started_at": 1.0, **fields})


def asked(reason: str | None = "word", how: Any = "comment", **fields: Any) -> Ask:
    project = Project(id=1, installation_id=1, owner="acme", name="shop", full_name="acme/shop", default_branch="main")
    return Ask(project, 1, "production", None, reason, Actor(1, "mia", "person", how), "guid", 1.0, **fields)


@pytest.mark.parametrize(
    ("later", "earlier", "lost"),
    [
        ([KEEPS, AWAY], [KEEPS], [AWAY]),
        ([KEEPS, AWAY, GONE], [KEEPS], [AWAY, GONE]),
        ([KEEPS, AWAY], [KEEPS, AWAY], []),
        ([KEEPS], [], []),
        ([], [AWAY], []),
        ([AWAY], [Migration("2", "other")], [AWAY]),  # it destroys now, and did not when the target was made
        ([AWAY], [Migration("other", "b", AWAY.destroys)], [AWAY]),  # the same once more
    ],
)
def test_what_the_target_does_not_know_and_destroys_counts(
    later: list[Migration], earlier: list[Migration], lost: list[Migration]
) -> None:
    assert list(destructive(release(*later), release(*earlier))) == lost


def test_without_a_list_on_either_side_there_is_no_guard() -> None:
    old = release(plan={"language": "python", "kind": "server"})

    assert destructive(release(AWAY), old) == destructive(old, release()) == ()
    assert destructive(release(AWAY), release(plan=None)) == destructive(release(AWAY), None) == ()


def test_accepting_is_going() -> None:
    assert guard(asked(accept_schema=True), release(AWAY), release()) is None
    assert guard(asked(), release(KEEPS), release()) is None


@pytest.mark.parametrize(
    ("reason", "flags"),
    [
        ("word", {"reason": "word", "accept-schema": ""}),
        ("it is slow", {"reason": "it is slow", "accept-schema": ""}),
        ('a "b" `c`\nd é', {"reason": "a b c d", "accept-schema": ""}),
        (None, {"accept-schema": ""}),
        ("x" * 5000, {"reason": "x" * 200, "accept-schema": ""}),
    ],
)
def test_the_command_that_helps_can_be_written_as_it_is(reason: str | None, flags: dict[str, str]) -> None:
    no = guard(asked(reason), release(AWAY), release())

    assert no is not None
    command = parse(no.next or "")
    assert isinstance(command, Command)
    assert (command.verb, command.args, dict(command.flags)) == ("rollback", ("production", "0123456"), flags)


def test_the_clocks_own_words_are_nobodys_reason() -> None:
    no = guard(asked("/ does not answer well", "clock"), release(AWAY), release())

    assert no is not None
    assert no.next == "/rollback production 0123456 --reason=words --accept-schema"


def test_many_are_named_in_part_and_kept_within_bounds() -> None:
    many = told(Migration(str(n), "d", "drops the table x") for n in range(100))

    assert len(many) == KEPT
    assert words(many) == "0: drops the table x; 1: drops the table x; 2: drops the table x, and 17 more"
