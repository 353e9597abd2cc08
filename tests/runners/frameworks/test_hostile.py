"""Trees that are made to hurt: each gets a clear answer, with little time and little memory."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import runners.frameworks
from runners.base.folders import remove

ROOT = Path(__file__).parents[3]
SECONDS = 30  # of processor time; what is asked of a child takes less than one
MEMORY = 1024**3

CHILD = """
import json, pathlib, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
from runners.frameworks import NotDetected, Tree, detect
for folder in sys.argv[1:]:
    try:
        print(json.dumps(detect(Tree.read(pathlib.Path(folder))).as_json()))
    except NotDetected as error:
        print(json.dumps({{"refused": str(error)}}))
"""


def answers(*folders: Path) -> list[dict[str, Any]]:
    """What a process with little time and memory says of each tree: a plan, or why there is none."""
    code = CHILD.format(seconds=SECONDS, memory=MEMORY)
    done = subprocess.run([sys.executable, "-c", code, *map(str, folders)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def paths(plan: dict[str, Any]) -> Iterator[str]:
    """Every path that a plan tells us to use ourselves; its command lines are the project's own business."""
    yield from filter(None, (plan["root"], plan["static_dir"], plan["mount"] and plan["mount"].lstrip("/")))
    yield from (*plan["manifests"], *plan["files"], *plan["caches"])
    for part in plan["parts"]:
        yield from paths(part)


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


FLASK = "from flask import Flask\napp = Flask(__name__)\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Removed by us: pytest keeps folders of former runs, and goes down into them one call a level."""
    place = tmp_path / "tree"
    place.mkdir()
    yield place
    remove(place)


def links(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "a/up").symlink_to("..")
    (folder / "b").symlink_to("c")
    (folder / "c").symlink_to("b")
    (folder / "requirements.txt").symlink_to("requirements.txt")
    (folder / "package.json").symlink_to("/proc/self/environ")
    (folder / "passwd.html").symlink_to("/etc/passwd")


def far_down(folder: Path) -> None:
    """2,000 folders one in another: the path is longer than the kernel takes in one piece."""
    at = os.open(folder, os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)


def not_files(folder: Path) -> None:
    os.mkfifo(folder / "Procfile")
    os.mkfifo(folder / "requirements.txt")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "package.json"))
    (folder / "Dockerfile").mkdir()
    if os.geteuid() == 0:
        os.mknod(folder / "pyproject.toml", stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero


def strange_names(folder: Path) -> None:
    for name in (
        b"\xff\xfe.py",
        b"a\nb.py",
        b"\x1b[31m.html",
        "\u202egpj.py".encode(),
        b"$(touch x).py",
        b"-rf",
        b"a b'\".py",
    ):
        (folder / os.fsdecode(name)).write_bytes(FLASK.encode())


def big_package(folder: Path) -> None:
    with (folder / "package.json").open("wb") as file:
        file.write(b'{"scripts": {"start": "node x.js"}, "x": "' + b"x" * (50 * 1024 * 1024) + b'"}')


def aliases(folder: Path) -> None:
    """Nine levels of nine aliases each: 400 million items, were they ever written out."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    text = "\n".join(lines) + "\nservices: *a9\npackages: *a9\ndependencies: *a9\n"
    for name in (
        "compose.yaml",
        "docker-compose.yml",
        "pnpm-workspace.yaml",
        "environment.yml",
        "_config.yml",
        "mkdocs.yml",
    ):
        (folder / name).write_text(text)
    (folder / "package.json").write_text("{}")
    (folder / "app.py").write_text(FLASK)


def many_functions(folder: Path) -> None:
    (folder / "app.py").write_text("import flask\n" + "def f(): return g()\n" * 100_000 + FLASK)


def many_decorators(folder: Path) -> None:
    (folder / "app.py").write_text("import flask\napp = flask.Flask('x')\n" + "@app.a.b.c(1)\ndef f(): pass\n" * 6000)


def parentheses(folder: Path) -> None:
    (folder / "app.py").write_text(FLASK + "x = " + "(" * 100_000 + ")" * 100_000 + "\n")


def circles(folder: Path) -> None:
    """Files that hand the app on to each other, and classes made of each other."""
    for this, other in (("app", "main"), ("main", "wsgi"), ("wsgi", "app")):
        text = f"from {other} import app, create_app, B\nimport flask\nclass A(B): pass\nclass B(A): pass\n"
        text += "app = create_app()\nx = A()\n"
        (folder / f"{this}.py").write_text(text)


def deep_toml(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[" + ".".join(["a"] * 20_000) + "]\n" + ".".join(["b"] * 20_000) + " = 1\n")


def deep_expressions(folder: Path) -> None:
    (folder / "app.py").write_text(FLASK)
    (folder / "config.py").write_text(f"class S(BaseSettings):\n    x: {'|'.join(['a'] * 1500)}\n")
    engine = "+".join(["a"] * 600)
    (folder / "settings.py").write_text(
        f"DATABASES = {{'default': {{'ENGINE': {engine}, 'HOST': os.environ['A_HOST']}}}}\n"
    )


def many_locked(folder: Path) -> None:
    (folder / "poetry.lock").write_text('[[package]]\nname = "x"\nversion = "1"\n' * 40_000)
    (folder / "app.py").write_text(FLASK)


TREES: tuple[Callable[[Path], None], ...] = (
    *(links, far_down, not_files, strange_names, big_package, aliases, many_functions, many_decorators, parentheses),
    *(circles, deep_toml, deep_expressions, many_locked),
)


@pytest.mark.parametrize("make", TREES, ids=lambda make: make.__name__)
def test_a_hostile_tree_gets_a_clear_answer_in_little_time_and_memory(
    folder: Path, make: Callable[[Path], None]
) -> None:
    make(folder)

    (answer,) = answers(folder)

    assert answer.get("refused") or answer["why"]
    assert "root:" not in json.dumps(answer)


@pytest.mark.slow
def test_a_hundred_thousand_files_get_an_answer(folder: Path) -> None:
    for part in range(100):
        (folder / f"part{part}").mkdir()
        for number in range(1000):
            (folder / f"part{part}" / f"{number}.py").touch()
    (folder / "app.py").write_text(FLASK)

    (answer,) = answers(folder)

    assert (answer["framework"], answer["entry"]) == ("flask", "app:app")


OUTSIDE: tuple[dict[str, str], ...] = (
    {"Procfile": "web: cd ../.. && python app.py\n"},
    {"Procfile": "web: python ../../etc/passwd.py\n"},
    {"package.json": '{"main": "../../etc/passwd", "dependencies": {"express": "4"}}'},
    {"package.json": '{"main": "/etc/passwd.js", "scripts": {"start": "node ../../x.js"}}'},
    {
        "package.json": '{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "5"}}',
        "vite.config.js": "export default {root: '../..', build: {outDir: '../../../etc'}}",
        "index.html": "x",
    },
    {"package.json": '{"workspaces": ["../../*", "/etc/*"], "scripts": {"build": "vite build"}}'},
    {"requirements.txt": "-r ../../etc/passwd\n-r /etc/passwd\n-e ../../x\nflask\n", "app.py": FLASK},
    {"pyproject.toml": '[tool.uv.sources]\nx = {path = "../../.."}\n', "uv.lock": "", "app.py": FLASK},
    {"manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', '....etc')\n", "x/wsgi.py": ""},
    {"compose.yaml": "services:\n  web:\n    build: ../../..\n    ports: ['80']\n  api:\n    build: {context: /etc}\n"},
    {"mkdocs.yml": "site_name: x\nsite_dir: ../../etc\n", "docs/index.md": "x"},
    {"hugo.toml": "publishDir = '/etc'\n", "content/x.md": "x"},
    {"angular.json": '{"projects": {"x": {"architect": {"build": {"options": {"outputPath": "../../x"}}}}}}',
     "package.json": '{"scripts": {"build": "ng build"}, "devDependencies": {"@angular/cli": "17"}}'},
)  # fmt: skip


def test_no_manifest_leads_out_of_the_tree(tmp_path: Path) -> None:
    folders = [written(tmp_path / str(number), files) for number, files in enumerate(OUTSIDE)]

    for files, answer in zip(OUTSIDE, answers(*folders), strict=True):
        named = [] if "refused" in answer else list(paths(answer))
        assert [path for path in named if path.startswith("/") or ".." in path.split("/")] == [], files


NAMES = (
    *("app.py", "main.py", "manage.py", "settings.py", "requirements.txt", "pyproject.toml", "uv.lock", "poetry.lock"),
    *(
        "Pipfile",
        "Pipfile.lock",
        "environment.yml",
        "setup.py",
        "Procfile",
        "Dockerfile",
        "compose.yaml",
        ".env.example",
    ),
    *("package.json", "server.js", "vite.config.js", "next.config.js", "angular.json", "pnpm-workspace.yaml"),
    *("index.html", "go.mod", "main.go", "Cargo.toml", "Gemfile", "config.ru", "composer.json", "index.php", "pom.xml"),
    *("build.gradle", "mix.exs", "deno.json", "x.csproj", "Program.cs", "hugo.toml", "mkdocs.yml", "_config.yml"),
)
FILLERS = (
    " ",
    "\n",
    "\t",
    "a",
    "1",
    "(",
    "{",
    "[",
    '"',
    "'",
    "a ",
    "a.",
    "1.",
    "\\",
    "<!--",
    "{{",
    "/*",
    "- ",
    "a=",
    "#\n",
)
HEADS = {
    ".py": "import flask, os, django\nx = os.environ.get('A'\n",
    ".js": "const x = process.env.A\nrequire('express')\napp.listen(",
    ".json": '{"a":',
}


@pytest.mark.slow
@pytest.mark.parametrize("filler", FILLERS)
def test_a_file_of_one_thing_over_and_over_is_read_in_little_time(tmp_path: Path, filler: str) -> None:
    folders = []
    for name in NAMES:
        text = HEADS.get(Path(name).suffix, "") + filler * (100_000 // len(filler))
        folders.append(written(tmp_path / name, {name: text}))

    assert len(answers(*folders)) == len(NAMES)


# These are only asked of one name, or at one place of a text: never to look through a file.
AT_ONE_PLACE = re.compile(
    r"^(?:backing\._(?:SCHEME|URL)|migrations\._READERS|variables\._\w+_REST|variables\._SOURCES\[.*\]\[1\]$)"
)


def expressions() -> dict[str, re.Pattern[str]]:
    """Every regular expression that a module of detection keeps, also in its rows, by where it is."""
    found: dict[str, re.Pattern[str]] = {}

    def look(value: object, name: str) -> None:
        if isinstance(value, re.Pattern):
            found[name] = value
        elif isinstance(value, tuple | list):
            for number, one in enumerate(value):
                look(one, f"{name}[{number}]")
        elif isinstance(value, dict):
            for key, one in value.items():
                look(one, f"{name}[{key!r}]")
        elif hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
            for field in value.__dataclass_fields__:
                look(getattr(value, field), f"{name}.{field}")

    for module in pkgutil.walk_packages(runners.frameworks.__path__, "runners.frameworks."):
        for name, value in vars(importlib.import_module(module.name)).items():
            look(value, f"{module.name.removeprefix('runners.frameworks.')}.{name}")
    return {name: pattern for pattern, name in {pattern: name for name, pattern in found.items()}.items()}


def nearly(pattern: re.Pattern[str]) -> str:
    """A text that is near to what the expression looks for: its letters, in order."""
    return re.sub(r"\(\?[:=!<P\w>]*|\\[a-zA-Z]|\[[^\]]*\]|[()*+?|^$\\]|\{[\d,]+\}", " ", pattern.pattern)[:200]


@pytest.mark.slow
def test_no_expression_takes_a_square_of_time() -> None:
    """The bound is a hundred times what a line through the text takes, and half of what a square does."""
    slow: list[str] = []
    for name, pattern in expressions().items():
        text = nearly(pattern)
        cuts = sorted({len(text[:at]) for at in range(0, len(text) + 1, max(1, len(text) // 8))})
        hurtful = [text[:cut] + filler * (30_000 // len(filler)) for cut in cuts for filler in FILLERS[:8]]
        hurtful += [filler * (30_000 // len(filler)) for filler in FILLERS]
        for one in hurtful:
            started = time.process_time()
            if AT_ONE_PLACE.search(name):
                pattern.match(one)
            else:
                pattern.findall(one)
            if time.process_time() - started > 0.7:
                slow.append(f"{name}: {one[:40]!r}...")
                break
    assert slow == []
