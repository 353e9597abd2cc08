"""`slipway secret`: values that a project's code reads, kept sealed, for previews or for an environment."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bot.cli.audit import books
from bot.errors import SlipwayError

if TYPE_CHECKING:
    from sqlmodel import Session

    from bot.models import Project
    from bot.settings import Settings

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_OURS = re.compile(r"PORT|HOST|SLIPWAY.*")
_ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,39}")
EPILOG = """\
The value is read from standard input, so that it stands in no list of processes and in no shell's history:
  slipway secret set --project acme/shop --env preview STRIPE_KEY < key.txt
What runs already keeps what it was started with; /redeploy, or the next push, starts it anew."""


def add(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """The parser of this command and its verbs."""
    parser = command(commands, "secret", _list, "values that projects read: for previews, or for an environment")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    setting = command(verbs, "set", _set, "set one; the value comes from standard input")
    setting.epilog, setting.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    removing = command(verbs, "remove", _remove, "forget one")
    for verb in (setting, removing):
        verb.add_argument("--project", required=True, metavar="OWNER/NAME", help="the repository")
        verb.add_argument("--env", required=True, type=_environment, help="preview, production, ...")
        verb.add_argument("name", type=_name, help="the variable's name")
    listing = command(verbs, "list", _list, "what is set, and since when; never a value")
    listing.add_argument("--json", action="store_true", help="for machines and agents")


def _set(args: argparse.Namespace) -> int:
    import time

    from bot import settings
    from bot.audit import Entry
    from bot.store import secrets

    value = _value()
    told = settings.read()
    with _writing(told, args.project) as (session, project):
        entry = Entry("secret.set", time.time(), project_id=project.id, environment=args.env, after={"name": args.name})
        secrets.put(session, secrets.made(told.home), project.id, args.env, args.name, value, entry)
    print(f"{args.name} is set for {args.env} of {args.project}. What runs keeps the old one until it is started anew.")
    return 0


def _remove(args: argparse.Namespace) -> int:
    import time

    from bot import settings
    from bot.audit import Entry
    from bot.store import secrets

    with _writing(settings.read(), args.project) as (session, project):
        entry = Entry(
            "secret.removed", time.time(), project_id=project.id, environment=args.env, before={"name": args.name}
        )
        if not secrets.remove(session, project.id, args.env, args.name, entry):
            raise SlipwayError(f"{args.name} is not set for {args.env} of {args.project}; see `slipway secret list`.")
    print(f"{args.name} is forgotten.")
    return 0


def _list(args: argparse.Namespace) -> int:
    import datetime as dt

    from bot import settings
    from bot.models import Project
    from bot.store import secrets

    with books(settings.read()) as session:
        rows = [
            {
                "project": found.full_name if (found := session.get(Project, row.project_id)) else str(row.project_id),
                "environment": row.environment,
                "name": row.name,
                "set_at": dt.datetime.fromtimestamp(row.set_at, dt.UTC).isoformat(timespec="seconds"),
            }
            for row in secrets.listed(session)
        ]
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        print(f"{row['project']}  {row['environment']}  {row['name']}  since {row['set_at']}")
    if not rows:
        print("None is set. `slipway secret set --help` says how.")
    return 0


def _value() -> str:
    """What stands on standard input, without the line feed that `echo` adds."""
    from bot.store.secrets import MOST

    if sys.stdin.isatty():
        import getpass

        value = getpass.getpass("Value: ")
    else:
        value = sys.stdin.read(MOST + 2).removesuffix("\n").removesuffix("\r")
    if not value or "\0" in value or len(value.encode()) > MOST:
        raise SlipwayError(f"The value is empty, holds a zero byte, or is longer than {MOST // 1024} KiB.")
    return value


@contextlib.contextmanager
def _writing(told: Settings, name: str) -> Iterator[tuple[Session, Project]]:
    from sqlmodel import Session, select

    from bot.models import Project
    from bot.store import engine

    with books(told):  # there are some, and of today
        pass
    writing = engine.writing(told.database)
    try:
        with Session(writing) as session, session.begin():
            every = session.exec(select(Project)).all()
            project = next((one for one in every if one.full_name.lower() == name.lower()), None)
            if project is None:
                raise SlipwayError(f"No repository {name} is served here yet: install the app there, or push once.")
            yield session, project
    finally:
        writing.dispose()


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a variable")
    if _OURS.fullmatch(text.upper()):
        raise argparse.ArgumentTypeError(f"{text} is set by Slipway itself")
    return text


def _environment(text: str) -> str:
    if not _ENVIRONMENT.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no environment; say preview or production")
    return text
