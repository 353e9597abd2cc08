"""Run it alone: python -m demo.github --port 8080 --hook http://127.0.0.1:8000/webhook --secret word --folder DIR"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from demo.github.server import DemoGitHub

_APPS = Path(__file__).parent.parent / "apps"


def main(argv: list[str] | None = None) -> int:
    """Serve until Ctrl-C, with the sample apps as repositories of the account `demo`."""
    parser = argparse.ArgumentParser(prog="python -m demo.github", description="A GitHub on your own machine.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--hook", metavar="URL", help="where webhooks go; without it none are sent")
    parser.add_argument("--secret", required=True, help="the webhooks are signed with it")
    parser.add_argument("--folder", type=Path, required=True, help="a new or empty folder for the repositories")
    parser.add_argument("--app-id", default="1")
    parser.add_argument("--public-key", type=Path, metavar="PEM", help="verify the app's JWTs with it")
    args = parser.parse_args(argv)
    if args.folder.exists() and any(args.folder.iterdir()):
        print(f"{args.folder} is not empty: what is in memory would not fit it.", file=sys.stderr)
        return 2
    return asyncio.run(_serve(args))


async def _serve(args: argparse.Namespace) -> int:
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    key = await asyncio.to_thread(args.public_key.read_text) if args.public_key else None
    github = DemoGitHub(args.folder, webhook_secret=args.secret, app_id=args.app_id, public_key=key, hook_url=args.hook)
    async with github.serve(args.host, args.port):
        for app in sorted(path for path in _APPS.iterdir() if path.is_dir()):
            await github.create_repository("demo", app.name, app)
        print(f"GitHub on your own machine: {github.url}", flush=True)
        await stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
