"""`python -m bot ...` and `slipway ...`: the arguments, and the two commands that stand above the command line."""

from __future__ import annotations

import asyncio
import sys

from bot import cli


def main() -> None:
    sys.exit(cli.main(sys.argv[1:], _serve, _demo))


def _serve(web: bool, worker: bool) -> int:
    from bot import app, settings, telemetry

    told = settings.read()
    telemetry.configure()
    asyncio.run(app.serve(told, web=web, worker=worker))
    return 0


def _demo(once: bool) -> int:
    from demo import story

    return asyncio.run(story.tell(once=once))


if __name__ == "__main__":
    main()
