"""What a policy file may say of the scan itself: the form of it; `bot.policy.scanning` has what it means."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from bot.policy import kinds, scanning
from bot.policy.kinds import Argument, Pattern, ScannerName
from bot.policy.meets import EITHER, SCANNERS
from bot.policy.parts import MANY, Said
from bot.scanners.tools import SCANNERS as TOOLS

_PROGRAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
SERVER = "server"  # in the context of a validation: this is the server's own policy
BUILT_IN = frozenset(one.name for one in TOOLS)


def _folder(value: str) -> str:
    if not kinds.printable(value).startswith("/"):
        raise ValueError(f"{kinds.told(value)} is no folder: write its whole path, like /srv/slipway/rules")
    return value


class Scanner(Said):
    """A scanner beside those that always look."""

    name: ScannerName
    """What it is called: a scanner that Slipway knows, or that the server's own policy describes."""
    needed: bool | None = None
    """Whether a change that it gave no report of does not pass; true when not said."""
    command: Annotated[tuple[Argument, ...], Field(min_length=1, max_length=50)] | None = None
    """How it is started, word by word; in the server's own policy only."""
    rules: Annotated[str, Field(max_length=500), AfterValidator(_folder)] | None = None
    """Instead: a folder of the server's with rules for semgrep; in the server's own policy only."""
    files: Annotated[tuple[Pattern, ...], Field(min_length=1, max_length=MANY)] | None = None
    """The files that it wants to see, like `**/*.py`; in the server's own policy only."""
    everywhere: bool | None = None
    """Whether it looks in every project; false: where one names it; in the server's own policy only."""

    @model_validator(mode="after")
    def _whole(self, info: ValidationInfo) -> Self:
        own = [name for name in ("command", "rules", "files", "everywhere") if getattr(self, name) is not None]
        if own and not (info.context or {}).get(SERVER):
            raise ValueError(
                f"{' and '.join(own)} can only be said in the server's own policy: what it starts runs on its machine. "
                "Here it is named, no more"
            )
        if own and ((self.command is None) == (self.rules is None) or self.files is None):
            raise ValueError('say "files", and either "command" or "rules"')
        if self.command and not _PROGRAM.fullmatch(self.command[0]):
            raise ValueError(
                f"{kinds.told(self.command[0])} is no program's name: it is looked up on the server's PATH"
            )
        if own and self.name in BUILT_IN:
            raise ValueError(
                f"{self.name} is there already, and is started as Slipway starts it: give yours another name"
            )
        return self

    def term(self) -> scanning.Scanner:
        return scanning.Scanner(
            self.name,
            self.command or (),
            self.rules or "",
            tuple(sorted(set(self.files or ()))),
            needed=self.needed is not False,
            wanted=self.everywhere is not False,
        )


class Scanning(Said):
    """The scan itself: who looks, and who else is told."""

    upload: Annotated[bool | None, EITHER] = None
    """Whether its findings go to GitHub's code scanning, too."""
    scanners: Annotated[Annotated[tuple[Scanner, ...], Field(max_length=8)] | None, SCANNERS] = None
    """Scanners beside those that always look."""

    @field_validator("scanners")
    @classmethod
    def _once(cls, value: tuple[Scanner, ...] | None) -> tuple[Scanner, ...] | None:
        names = [one.name for one in value or ()]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice} stands here twice: say it once")
        return value
