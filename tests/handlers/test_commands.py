"""The table of commands: each can be explained, and says who may."""

from __future__ import annotations

import pytest

from bot.errors import SlipwayError
from bot.policy import Role
from handlers.commands import COMMANDS
from handlers.commands.asked import Misused, environment, span

PRODUCTION = ("promote", "rollback", "unhold", "lock", "unlock", "freeze", "unfreeze")


@pytest.mark.parametrize("verb", COMMANDS)
def test_each_command_is_explained_in_one_line_and_named_in_it(verb: str) -> None:
    words = COMMANDS[verb].__doc__ or ""

    assert "\n" not in words
    assert verb == "help" or f"`/{verb}" in words


@pytest.mark.parametrize("verb", PRODUCTION)
def test_what_changes_production_is_for_people(verb: str) -> None:
    right = COMMANDS[verb].RIGHT

    assert right.people
    assert not right.author
    assert right.least >= Role.WRITE


def test_only_questions_are_for_readers() -> None:
    assert {verb for verb, one in COMMANDS.items() if one.RIGHT.least <= Role.READ} == {
        "help",
        "status",
        "logs",
        "budget",
    }


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86400), ("7d", 604800)])
def test_spans_are_written_with_their_unit(text: str, seconds: float) -> None:
    assert span(text, "/keep 3d") == seconds


@pytest.mark.parametrize("text", ["", "3", "0d", "-1d", "1w", "1.5h", "999999d", "٣d", "3d "])
def test_what_is_no_span_is_told_how_to_write_one(text: str) -> None:
    with pytest.raises(Misused) as told:
        span(text, "/keep 3d")

    assert told.value.usage == "/keep 3d"


@pytest.mark.parametrize("name", ["preview", "Production", "-x", "a" * 41, "a b", "../x", ""])
def test_what_can_be_no_environment_is_refused(name: str) -> None:
    with pytest.raises(SlipwayError):
        environment(name, "/promote production")
