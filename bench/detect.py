"""How long one detection takes: read the tree, answer with a plan.  `python -m bench.detect [FOLDER] [ROUNDS]`.

FOLDER holds projects as `<name>/src`; without it, the small projects of the test suite.  Beside them a project of 5,000
files, and a process of its own that detects one and ends.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from runners.frameworks import NotDetected, Tree, detect

APPS = Path(__file__).parents[1] / "tests" / "apps"


def once(folder: Path) -> float:
    """Milliseconds of one detection."""
    started = time.perf_counter()
    with contextlib.suppress(NotDetected):
        detect(Tree.read(folder))
    return (time.perf_counter() - started) * 1000


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def large(folder: Path) -> Path:
    """A Flask app among 5,000 files, every tenth of them Python."""
    for number in range(5000):
        path = folder / f"part{number % 50}" / f"file{number}.{'py' if number % 10 == 0 else 'txt'}"
        path.parent.mkdir(exist_ok=True)
        path.write_text("import os\n\n\ndef f() -> str:\n    return os.getcwd()\n" * 20)
    (folder / "requirements.txt").write_text("flask\n")
    (folder / "app.py").write_text("from flask import Flask\n\napp = Flask(__name__)\n")
    return folder


def cold_process(folder: Path) -> float:
    """Milliseconds of a fresh interpreter that detects one project."""
    code = (
        "import pathlib, sys; from runners.frameworks import Tree, detect; detect(Tree.read(pathlib.Path(sys.argv[1])))"
    )
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, cwd=Path(__file__).parents[1])
    return (time.perf_counter() - started) * 1000


def main(apps: Path = APPS, rounds: int = 30) -> None:
    """Each project once to warm the file system's cache, then `rounds` times."""
    folders = sorted(path for path in apps.glob("*/src"))
    cold = [once(folder) for folder in folders]
    each = {folder.parent.name: [once(folder) for _ in range(rounds)] for folder in folders}
    warm = [value for values in each.values() for value in values]
    table = Table(title=f"{len(folders)} projects, {rounds} rounds, milliseconds")
    for column in ("", "median", "p95", "worst"):
        table.add_column(column, justify="left" if not column else "right")
    with tempfile.TemporaryDirectory() as made:
        among = large(Path(made))
        once(among)
        big = [once(among) for _ in range(rounds)]
        alone = [cold_process(among) for _ in range(5)]
    rows = {"first time": cold, "warm": warm, "5,000 files": big, "cold process, 5,000 files": alone}
    slowest = sorted(each.items(), key=lambda item: -statistics.median(item[1]))[:5]
    for name, values in [*rows.items(), *slowest]:
        table.add_row(name, *(f"{value:.2f}" for value in (statistics.median(values), p95(values), max(values))))
    Console().print(table)


if __name__ == "__main__":
    words = sys.argv[1:]
    main(Path(words[0]) if words else APPS, int(words[1]) if len(words) > 1 else 30)
