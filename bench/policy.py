"""How long one decision takes, every rule of it: `python -m bench.policy`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bot.policy import GATE, Changed, Check, Facts, Review, Role, Stops, judge
from bot.policy.facts import Scanned
from bot.policy.load import load
from bot.policy.merge import Layer, merge
from bot.policy.verdict import weigh

BAR_MS = 1.0
STRICT = b"""\
version: 1
environments:
  production:
    deployers: [role:maintain]
    approvals: {count: 2}
    checks: [{name: build, app: 15368}, {name: lint, app: 15368}]
    soak: 15m
    windows: {tz: Europe/Berlin, allow: ["Mon-Thu 08:00-16:00"]}
    freezes: [{from: 2026-12-20T00:00, to: 2027-01-04T00:00, reason: holidays}]
agents:
  require: {approvals: 2, max_lines: 800, max_files: 60, deny_paths: ["infra/**", ".github/**"], new_dependencies: ack}
"""


def asked() -> Facts:
    """A change by an agent of fifty files, with twenty checks and ten reviews, under a strict policy."""
    head = "a" * 40
    reviews = tuple(Review(n, f"r{n}", True, "APPROVED", head, Role.WRITE) for n in range(10, 20))
    checks = tuple(
        Check(name, 15368, False, "completed", "success") for name in ("build", "lint", *map(str, range(18)))
    )
    facts = Facts(
        environment="production",
        actor_id=2,
        actor_login="mona",
        actor_person=True,
        actor_role=Role.MAINTAIN,
        author_id=1,
        state="open",
        draft=False,
        fork=False,
        head_sha=head,
        displayed_sha=head,
        reviews=reviews,
        hands=frozenset({1, 4}),
        nameless=False,
        checks=checks,
        stops=Stops(),
        scan=Scanned(),
    )
    paths = tuple(f"src/shop/part_{n}/module_{n}.py" for n in range(50))
    return dataclasses.replace(
        facts,
        policy=merge([Layer("project", load(STRICT))]),
        agent="an agent",
        now=1_795_435_200.0,
        preview="live",
        live_since=1_795_430_000.0,
        changed=Changed(50, 700, paths),
    )


def measured(work: Callable[[], object], rounds: int) -> list[float]:
    """Milliseconds of each round."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        found.append((time.perf_counter() - began) * 1000)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.policy", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000, help="how often each is measured (default: 2000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, in milliseconds")
    args = parser.parse_args(argv)
    facts = asked()
    works: dict[str, Callable[[], object]] = {
        "a promotion, every rule": lambda: judge(facts),
        "the gate, every rule": lambda: weigh(facts, GATE),
        "read a policy and merge it": lambda: merge([Layer("project", load(STRICT))]),
    }
    figures = {name: measured(work, args.rounds if "read" not in name else 200) for name, work in works.items()}
    table = Table("what", "median ms", "99 %", title="One decision")
    for name, rounds in figures.items():
        table.add_row(name, f"{statistics.median(rounds):.3f}", f"{statistics.quantiles(rounds, n=100)[-1]:.3f}")
    console, median = Console(), statistics.median(figures["a promotion, every rule"])
    console.print(table)
    console.print(f"{'✓' if median < BAR_MS else '✗'} a decision takes {median:.3f} ms (at most {BAR_MS})")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
