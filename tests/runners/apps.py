"""Little programs that behave well and badly, and what it takes to build, start and ask them."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from runners.base import Artifact, Instance, Launch, Limits, Plan, Runner, Source

SERVER = """
import http.server, json, os, pathlib, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = answer(self.path)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *args):
        print("asked for", args[0], flush=True)

def answer(path):
    return 200, " ".join(sys.argv[1:]).encode()

def serve(host, port):
    http.server.ThreadingHTTPServer((host, port), Handler).serve_forever()

"""
HELLO = SERVER + 'serve("0.0.0.0", int(os.environ["PORT"]))\n'
LOCAL_ONLY = SERVER + 'serve("127.0.0.1", int(os.environ["PORT"]))\n'
HARD_CODED = SERVER + 'serve("0.0.0.0", {port})\n'
ENVIRONMENT = SERVER + (
    "def answer(path):\n    return 200, json.dumps(dict(os.environ)).encode()\n\n"
    'serve("0.0.0.0", int(os.environ["PORT"]))\n'
)
WRITER = SERVER + (
    "def answer(path):\n"
    '    pathlib.Path("app.py").write_text("changed")\n'
    '    pathlib.Path("made.txt").write_text("made")\n'
    '    return 200, b"written"\n\n'
    'serve("0.0.0.0", int(os.environ["PORT"]))\n'
)
# Each visit is a row of a SQLite file that came with the project; the answer is how many there are of that path.
KEEPS_ROWS = SERVER + (
    "import sqlite3\n"
    "def answer(path):\n"
    '    with sqlite3.connect("shop.db") as rows:\n'
    '        rows.execute("CREATE TABLE IF NOT EXISTS visits (path TEXT)")\n'
    '        rows.execute("INSERT INTO visits VALUES (?)", [path])\n'
    '        ((count,),) = rows.execute("SELECT count(*) FROM visits WHERE path = ?", [path])\n'
    "        return 200, str(count).encode()\n\n"
    'serve("0.0.0.0", int(os.environ["PORT"]))\n'
)
WARMING_UP = SERVER + (
    "seen = []\n"
    "def answer(path):\n"
    "    seen.append(path)\n"
    '    return (503, b"warming up") if len(seen) < 4 else (200, b"warm")\n\n'
    'serve("0.0.0.0", int(os.environ["PORT"]))\n'
)
NO_FRONT_PAGE = SERVER + (
    'def answer(path):\n    return 404, b"no such page"\n\nserve("0.0.0.0", int(os.environ["PORT"]))\n'
)
BROKEN = SERVER + 'def answer(path):\n    return 500, b"oh"\n\nserve("0.0.0.0", int(os.environ["PORT"]))\n'
IGNORES_TERM = SERVER + (
    "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nserve('0.0.0.0', int(os.environ['PORT']))\n"
)
# A visit has a child work for a while, end, and be waited for.
BUSY = SERVER + (
    "def answer(path):\n"
    "    if os.fork() == 0:\n"
    "        while time.process_time() < 0.3:\n"
    "            pass\n"
    "        os._exit(0)\n"
    "    os.wait()\n"
    '    return 200, b"done"\n\n'
    'serve("0.0.0.0", int(os.environ["PORT"]))\n'
)
CRASHES = 'import sys\nprint("reading the settings")\nraise SystemExit("no DATABASE_URL was given")\n'
SILENT = 'import time\nprint("thinking", flush=True)\ntime.sleep(600)\n'
# One child in the same session, one that left it and lost its parent; both can be seen by their ports.
FORKS = SERVER + (
    "if os.fork() == 0:\n"
    '    serve("0.0.0.0", {near})\n'
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork():\n"
    "        os._exit(0)\n"
    '    serve("0.0.0.0", {far})\n'
    'serve("0.0.0.0", int(os.environ["PORT"]))\n'
)
PYTHON = Plan(language="python", kind="server", entry="app.py", start="python app.py hello")


class Lines:
    """A log that remembers."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def write(self, text: str) -> None:
        self.parts.append(text)

    @property
    def text(self) -> str:
        return "".join(self.parts)


def a_source(folder: Path, files: Mapping[str, str | bytes], plan: Plan = PYTHON, scope: str = "scope-a") -> Source:
    """A tree of these files, in a folder named by what is in them."""
    tree_hash = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
    tree = folder / "trees" / tree_hash
    tree.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return Source(path=tree, tree_hash=tree_hash, plan=plan, scope=scope)


@dataclasses.dataclass
class Yard:
    """A runner, a place for trees, and one word for each thing a test does with them."""

    runner: Runner
    folder: Path
    limits: Limits = dataclasses.field(default_factory=lambda: Limits(seconds=30))
    log: Lines = dataclasses.field(default_factory=Lines)

    async def build(self, files: Mapping[str, str], plan: Plan = PYTHON, log: Lines | None = None) -> Artifact:
        limits = dataclasses.replace(self.limits, seconds=300, memory=2 * 1024**3)
        return await self.runner.build(a_source(self.folder, files, plan), limits, log or self.log)

    async def start(
        self, artifact: Artifact, deployment: str = "d1", env: Mapping[str, str] | None = None, seconds: float = 30
    ) -> Instance:
        limits = dataclasses.replace(self.limits, seconds=seconds)
        return await self.runner.start(Launch(deployment, artifact, env or {}, limits), self.log)

    async def command(
        self, artifact: Artifact, command: str, env: Mapping[str, str] | None = None, seconds: float = 30
    ) -> None:
        limits = dataclasses.replace(self.limits, seconds=seconds)
        await self.runner.run(Launch("d1", artifact, env or {}, limits), command, self.log)

    async def run(self, program: str, deployment: str = "d1", env: Mapping[str, str] | None = None) -> Instance:
        return await self.start(await self.build({"app.py": program}), deployment, env)


async def ask(instance: Instance, path: str = "/", port: int | None = None) -> tuple[int, str]:
    """Status and text of one GET; status 0 when nothing answers."""
    host = f"[{instance.host}]" if ":" in instance.host else instance.host

    def get() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{host}:{port or instance.port}{path}", timeout=3) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    return await asyncio.to_thread(get)
