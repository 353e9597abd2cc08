"""A scanner that can't say what it saw is a fault, whatever it does; the others are not touched by it."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path

import pytest

from bot.scanners.findings import Finding, Ran
from bot.scanners.running import scan, warm
from bot.scanners.tools import Job, Tool
from runners.base import Unavailable
from runners.process.locked import ProcessBox

SARIF = json.dumps(
    {
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "mine"}},
                "results": [
                    {
                        "ruleId": "R1",
                        "message": {"text": "a fault"},
                        "locations": [
                            {"physicalLocation": {"artifactLocation": {"uri": "a.py"}, "region": {"startLine": 1}}}
                        ],
                    }
                ],
            }
        ],
    }
)


class Bench:
    """Makes tools of shell scripts and runs them over a tree of one file."""

    def __init__(self, top: Path) -> None:
        self.top, self.root, self.box = top, top / "tree", ProcessBox()
        self.root.mkdir()
        (self.root / "a.py").write_text("fault\n")
        (top / "report").mkdir()
        (top / "report" / "sarif").write_text(SARIF)

    def tool(self, name: str, script: str, **options: object) -> Tool:
        program = self.top / "report" / name
        program.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then echo "{name} 1.2.3"; exit; fi\n{script}\n')
        program.chmod(0o755)

        def command(job: Job) -> list[str]:
            return [str(job.binary), str(program.parent / "sarif"), *job.targets]

        known = {"wants": lambda path: path.endswith(".py"), "binary": lambda: program, "install": "make it"}
        return Tool(**{"name": name, "command": command, **known, **options})  # type: ignore[arg-type]

    async def run(
        self, *tools: Tool, paths: tuple[str, ...] = ("a.py",), seconds: float = 20.0
    ) -> tuple[list[Finding], list[Ran]]:
        return await scan(self.root, paths, self.box, self.top / "cache", tools, seconds)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_report_is_read_with_its_version(bench: Bench) -> None:
    findings, (ran,) = await bench.run(bench.tool("good", 'cat "$1"'))
    assert [(each.tool, each.rule, each.path, each.line) for each in findings] == [("good", "R1", "a.py", 1)]
    assert (ran.tool, ran.version, ran.fault, ran.needed) == ("good", "1.2.3", None, True)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exec sleep 60", "took longer than"),
        ("kill -SEGV $$", "was ended by SIGSEGV"),
        ('cat "$1"; exit 4', "ended with exit code 4"),
        ("echo 'Segmentation {{ fault'", ""),
        ("true", ""),
        ("head -c 100000000 /dev/zero", "printed more than 32 MB"),
        ("head -c 1000000 /dev/urandom", ""),
        ("echo '{\"runs\": 7}'", ""),
    ],
    ids=["hangs", "crashes", "fails", "talks nonsense", "says nothing", "prints 100 MB", "prints noise", "no SARIF"],
)
async def test_one_that_breaks_is_a_fault_and_the_others_go_on(bench: Bench, script: str, words: str) -> None:
    seconds = 1.5 if "sleep" in script else 30.0
    findings, (bad, good) = await bench.run(bench.tool("bad", script), bench.tool("good", 'cat "$1"'), seconds=seconds)
    assert bad.fault is not None
    assert words in bad.fault
    assert good.fault is None
    assert [each.tool for each in findings] == ["good"]


async def test_a_fault_never_repeats_what_the_tool_printed(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    _, (ran,) = await bench.run(bench.tool("bad", "echo hunter2; echo hunter2 >&2; exit 9"))
    assert "hunter2" not in f"{ran}{caplog.text}"


async def test_one_that_is_missing_says_how_to_get_it(bench: Bench) -> None:
    missing = bench.tool("gone", "", binary=lambda: None, install="pip install gone")
    findings, (ran,) = await bench.run(missing)
    assert (findings, ran.fault) == ([], "is not installed: pip install gone")


async def test_one_that_can_not_be_started_is_a_fault(bench: Bench) -> None:
    tool = bench.tool("bad", "")
    (bench.top / "report" / "bad").write_text("no program\n")
    (bench.top / "report" / "bad").chmod(0o644)
    _, (ran,) = await bench.run(tool)
    assert ran.fault is not None


async def test_one_that_wants_nothing_does_not_run(bench: Bench) -> None:
    assert await bench.run(bench.tool("bad", "exit 9"), paths=("a.txt",)) == ([], [])


async def test_exit_codes_say_what_the_tool_means_by_them(bench: Bench) -> None:
    findings, (found, nothing) = await bench.run(
        bench.tool("found", 'cat "$1"; exit 200', fine=frozenset({0, 200})),
        bench.tool("nothing", "exit 3", nothing=frozenset({3})),
    )
    assert [each.tool for each in findings] == ["found"]
    assert (found.fault, nothing.fault) == (None, None)


async def test_a_script_of_the_shell_sees_no_more_than_others(bench: Bench) -> None:
    await bench.box.run(["/bin/true"], folder=bench.root, readable=[], cache=None, env={}, seconds=20.0, most=100)
    if "namespaces" not in bench.box.name:
        pytest.skip("the kernel gives no namespaces here")
    other = bench.top / "other"
    other.mkdir()
    _, (ran,) = await bench.run(bench.tool("curious", f'test ! -e "{other}" && cat "$1"'))
    assert ran.fault is None


async def test_tools_run_side_by_side(bench: Bench) -> None:
    """Each waits for the other.  They share nothing but what they may read, and a pipe can be read."""
    there, back = bench.top / "report" / "there", bench.top / "report" / "back"
    for pipe in (there, back):
        os.mkfifo(pipe)
        pipe.chmod(0o666)
    tools = [
        bench.tool("one", f'echo >"{there}"; cat "{back}" >/dev/null; cat "$1"'),
        bench.tool("two", f'cat "{there}" >/dev/null; echo >"{back}"; cat "$1"'),
    ]
    findings, ran = await bench.run(*tools)
    assert [each.fault for each in ran] == [None, None]
    assert len(findings) == 2


async def test_thousands_of_paths_are_given_in_turns(bench: Bench) -> None:
    paths = tuple(f"{'d' * 200}/{number}.py" for number in range(4000))
    tool = bench.tool("good", 'cat "$1"')
    began = time.monotonic()
    findings, (ran,) = await bench.run(tool, paths=paths)
    assert ran.fault is None
    assert len(findings) == 3, "one report each"
    assert time.monotonic() - began < 20


async def test_a_name_that_is_no_text_is_a_fault_not_a_pass(bench: Bench) -> None:
    findings, (ran,) = await bench.run(bench.tool("good", 'cat "$1"'), paths=("a.py", "\udcff.py"))
    assert len(findings) == 1
    assert ran.fault == "can't be given 1 files, whose names are not UTF-8"


async def test_a_box_that_does_not_work_is_a_fault(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise Unavailable("no engine")

    monkeypatch.setattr(bench.box, "run", refuse)
    findings, (ran,) = await bench.run(bench.tool("good", 'cat "$1"'))
    assert (findings, ran.fault) == ([], "could not be run: no engine")


async def test_only_the_cache_of_one_that_keeps_may_be_written(bench: Bench) -> None:
    await bench.run(bench.tool("keeps", f"touch {bench.top}/cache/keeps/new", keeps=True))
    assert (bench.top / "cache" / "keeps" / "new").exists()


async def test_what_tools_keep_is_made_before_the_first_change(bench: Bench) -> None:
    keeps = bench.tool("keeps", f'touch {bench.top}/cache/keeps/new; cat "$1"', keeps=True, wants=lambda _: True)
    other = bench.tool("other", "exit 9", wants=lambda _: True)
    (ran,) = await warm(bench.box, bench.top / "cache", [keeps, other])
    assert (ran.tool, ran.fault) == ("keeps", None)
    assert (bench.top / "cache" / "keeps" / "new").exists()
