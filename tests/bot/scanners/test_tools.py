"""Each default tool finds what was planted for it, nothing in a clean file, and is not told what to do by the tree."""

from __future__ import annotations

import dataclasses
import gzip
import io
import random
import string
import zipfile
from pathlib import Path

import pytest

from bot.scanners import rules
from bot.scanners.findings import Finding, Ran
from bot.scanners.running import scan
from bot.scanners.tools import SCANNERS, Job, Tool
from runners.process.locked import ProcessBox
from tests.bot.scanners.kept import CACHE

TOOLS = {tool.name: tool for tool in SCANNERS}
TOKEN = "gh" + "p_" + "".join(random.Random(7).choices(string.ascii_letters + string.digits, k=36))
JS = "const cp = require('child_process');\nmodule.exports = function (req, res) {\n  %s\n};\n"
WORKFLOW = "on: push\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: %s\n"


@dataclasses.dataclass
class Planted:
    """A fault in a file, the line it stands in, and the same file without it."""

    tool: str
    path: str
    faulty: str
    line: int
    clean: str


PLANTED = [
    Planted("kingfisher", "conf.txt", f"a: 1\ntoken: {TOKEN}\n", 2, "a: 1\ntoken: from the environment\n"),
    Planted("kingfisher", "deep/-x.md", f"`{TOKEN}`\n", 1, "`the token`\n"),
    Planted("ruff", "a.py", "import pickle\n\nb = pickle.loads(a)\n", 3, "import json\n\nb = json.loads(a)\n"),
    Planted("ruff", "build/-b.py", "import os\nos.system('ls ' + a)\n", 2, "assert len('a') == 1\n"),
    Planted("semgrep", "app.js", JS % "cp.exec('ls ' + req.query.a);", 3, JS % "res.send('hello');"),
    Planted("semgrep", "--app.ts", JS % "eval(req.query.a);", 3, JS % "res.send('hello');"),
    Planted("semgrep", "views/a.ejs", "<p>\n<%- user %>\n", 2, "<%- include('head') %>\n<%= user %>\n"),
    Planted("zizmor", ".github/workflows/a.yml", WORKFLOW % "echo ${{ github.head_ref }}", 7, WORKFLOW % "echo hello"),
    Planted("hadolint", "Dockerfile", "FROM debian:12\nRUN sudo ls\n", 2, "FROM debian:12\nRUN ls\n"),
    Planted("hadolint", "deploy/-web.Dockerfile", "FROM debian\n", 1, "FROM debian:12\n"),
]
HEAD = "echo ${{ github.head_ref }}"
SUDO = "# hadolint ignore=DL3004\nFROM a:1\n# hadolint ignore=DL3004\nRUN sudo ls\n"
SILENCED = [
    ("ruff", "a.py", "import pickle\nb = pickle.loads(a)  # noqa\n", "ruff.toml", "exclude = ['*']\n"),
    ("ruff", "a.py", "import pickle\nb = pickle.loads(a)  # nosec\n", ".gitignore", "*\n"),
    ("kingfisher", "a.txt", f"t: {TOKEN} # kingfisher:ignore\n", ".gitignore", "*\n"),
    ("kingfisher", "a.txt", f"t: {TOKEN} # gitleaks:allow\n", ".kingfisherignore", "*\n"),
    ("semgrep", "a.js", JS % "eval(req.query.a); // nosemgrep", ".semgrepignore", "*.js\n"),
    ("zizmor", ".github/workflows/a.yml", WORKFLOW % f"{HEAD} # zizmor: ignore", "zizmor.yml", "{}"),
    ("hadolint", "Dockerfile", SUDO, ".hadolint.yaml", "ignored: [DL3004]\n"),
]


async def look(tool: Tool, root: Path, *paths: str) -> tuple[list[Finding], Ran]:
    findings, ran = await scan(root, paths, ProcessBox(), CACHE, tools=[tool])
    return findings, ran[0]


def lay(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda each: f"{each.tool}-{each.path}")
async def test_finds_what_was_planted_and_nothing_in_a_clean_file(planted: Planted, tmp_path: Path) -> None:
    tool = TOOLS[planted.tool]
    for name, text in (("faulty", planted.faulty), ("clean", planted.clean)):
        lay(tmp_path / name, planted.path, text)
    findings, ran = await look(tool, tmp_path / "faulty", planted.path)
    assert ran.fault is None
    assert (planted.path, planted.line) in [(each.path, each.line) for each in findings]
    assert not [each for each in findings if TOKEN in repr(each)]
    findings, ran = await look(tool, tmp_path / "clean", planted.path)
    assert (findings, ran.fault) == ([], None)
    assert ran.version[:1].isdigit()


@pytest.mark.parametrize(
    ("tool", "path", "text", "config", "words"), SILENCED, ids=[f"{each[0]}-{each[3]}" for each in SILENCED]
)
async def test_the_tree_can_not_silence_a_tool(
    tool: str, path: str, text: str, config: str, words: str, tmp_path: Path
) -> None:
    lay(tmp_path, path, text)
    lay(tmp_path, config, words)
    findings, ran = await look(TOOLS[tool], tmp_path, path)
    assert ran.fault is None
    assert findings


async def test_a_name_with_a_newline_is_a_name(tmp_path: Path) -> None:
    path = "odd\nname $(touch x) 'a.py"
    lay(tmp_path, path, "import pickle\nb = pickle.loads(a)\n")
    findings, ran = await look(TOOLS["ruff"], tmp_path, path)
    assert ran.fault is None
    assert [each.line for each in findings] == [2]


async def test_a_workflow_that_can_not_be_read_is_a_fault(tmp_path: Path) -> None:
    lay(tmp_path, ".github/workflows/a.yml", "on: [\n")
    findings, ran = await look(TOOLS["zizmor"], tmp_path, ".github/workflows/a.yml")
    assert (findings, ran.fault) == ([], "could not read all files")


@pytest.mark.parametrize(
    ("path", "tools"),
    [
        ("src/app.py", {"kingfisher", "ruff"}),
        ("src/app.test.ts", {"kingfisher"}),
        ("tests/app.js", {"kingfisher"}),
        ("node_modules/a/index.js", {"kingfisher"}),
        ("static/jquery.min.js", {"kingfisher"}),
        ("web/App.tsx", {"kingfisher", "semgrep"}),
        ("package-lock.json", set()),
        ("Dockerfile.dev", {"kingfisher", "hadolint"}),
        (".github/workflows/ci.yml", {"kingfisher", "zizmor"}),
        ("action.yml", {"kingfisher", "zizmor"}),
        ("docs/dockerfiles.md", {"kingfisher"}),
    ],
)
def test_tools_want_what_they_understand(path: str, tools: set[str]) -> None:
    assert {tool.name for tool in SCANNERS if tool.needed and tool.wants(path)} == tools


@pytest.mark.parametrize("tool", SCANNERS, ids=lambda tool: tool.name)
def test_no_path_is_ever_an_option(tool: Tool, tmp_path: Path) -> None:
    paths = ("--config=x", "-o", "github.com/a/b")
    argv = tool.command(Job(Path("/bin/true"), tmp_path, paths, tmp_path / "cache", tmp_path / "run" / "report.sarif"))
    assert not {"--config=x", "-o", "github.com/a/b"} & set(argv)


def test_all_rules_are_packed_once() -> None:
    folder = rules.njsscan()
    assert folder is not None
    ids = [rule["id"] for rule in rules.merged(folder)]
    assert len(ids) == len(set(ids))
    assert len(ids) > 100
    assert not any("helmet" in name and "check" in name for name in ids), "rules about what is done well"


def test_a_changed_file_of_rules_is_written_again(tmp_path: Path) -> None:
    target = rules.written(tmp_path / "none.yaml", "ignored: []\n")
    target.write_text("ignored: [DL3004]\n")
    assert rules.written(target, "ignored: []\n").read_text() == "ignored: []\n"
    assert [path.name for path in tmp_path.iterdir()] == ["none.yaml"]


def packed(**files: str) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return raw.getvalue()


async def test_a_key_in_a_file_that_is_only_called_an_archive_has_its_line(tmp_path: Path) -> None:
    names = ["-d.docx", "a.key", "b.zip", "c.jar", "e.gz"]
    for name in names:
        lay(tmp_path, name, f"a: 1\ntoken: {TOKEN}\n")
    findings, ran = await look(TOOLS["kingfisher"], tmp_path, *names)
    assert ran.fault is None
    assert sorted((each.path, each.line) for each in findings) == [(name, 2) for name in names]


async def test_a_key_inside_an_archive_is_said_of_the_archive(tmp_path: Path) -> None:
    text = f"token: {TOKEN}\n"
    (tmp_path / "a!b.zip").write_bytes(packed(**{"one.env": text, "two.env": text}))
    (tmp_path / "c.jar").write_bytes(packed(**{f"deep/{TOKEN}.txt": text}))
    (tmp_path / "d.gz").write_bytes(gzip.compress(text.encode()))
    findings, ran = await look(TOOLS["kingfisher"], tmp_path, "a!b.zip", "c.jar", "d.gz")
    assert ran.fault is None
    assert sorted({each.path for each in findings}) == ["a!b.zip", "c.jar", "d.gz"]
    inside = [each for each in findings if each.path == "a!b.zip"]
    assert {each.line for each in inside} == {0}
    assert sorted(each.message.rpartition(", in ")[2] for each in inside) == ["one.env", "two.env"]
    assert len({each.fingerprint for each in findings}) == len(findings) == 4
    assert TOKEN not in repr(findings)


async def test_archives_that_unpack_to_gigabytes_end_soon(tmp_path: Path) -> None:
    inner = packed(**{"a.txt": "a " * (20 << 20)})
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(200):
            archive.writestr(f"{number}.zip", inner)
    (tmp_path / "bomb.zip").write_bytes(raw.getvalue())
    lay(tmp_path, "conf.txt", f"token: {TOKEN}\n")
    findings, ran = await look(TOOLS["kingfisher"], tmp_path, "bomb.zip", "conf.txt")
    assert ran.seconds < 15
    assert ran.fault is not None or "conf.txt" in {each.path for each in findings}
