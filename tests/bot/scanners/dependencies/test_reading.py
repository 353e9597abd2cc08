"""What manifests and locks name, and what becomes of files that are none."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.scanners.dependencies import MANIFESTS, Dependency, read
from bot.scanners.dependencies.reading import LARGEST, MOST, READERS

REQUIREMENTS = b"""\
# what the shop needs
Flask[async]==3.0.1 ; python_version >= "3.8"
requests>=2.19,<3  # newest
zope.interface===5.0 \\
    --hash=sha256:0123 \\
    --hash=sha256:4567
-r other.txt
-c limits.txt
--index-url https://elsewhere.example/simple

Pillow
git+https://git.example/acme/tool.git#egg=tool
lib @ https://files.example/lib.zip
-e ./here
./wheels/own.whl
idna==3.4
    # via requests
certifi==2026.1
    # via
    #   -r requirements.in
"""


def one(path: str, text: str | bytes) -> list[Dependency]:
    """What a file names; it must be whole."""
    found, faults = read({path: text if isinstance(text, bytes) else text.encode()})
    assert faults == []
    return found


def brief(found: list[Dependency]) -> list[tuple[str, str | None, int]]:
    return [(one.name, one.version, one.line) for one in found]


def test_requirements_are_read_with_their_lines() -> None:
    found = one("requirements-dev.txt", REQUIREMENTS)

    assert brief(found) == [
        ("flask", "3.0.1", 2),
        ("requests", None, 3),
        ("zope-interface", "5.0", 4),
        ("pillow", None, 11),
        ("tool", None, 12),
        ("lib", None, 13),
        ("idna", "3.4", 16),
        ("certifi", "2026.1", 18),
    ]
    assert {one.name: one.source for one in found if one.source} == {"tool": "git.example", "lib": "files.example"}
    assert [one.name for one in found if not one.direct] == ["idna"], "pip-compile says who wants it"


def test_what_pip_takes_for_a_line_is_one() -> None:
    assert brief(one("requirements.txt", "flask\u2028evil\r\nlast")) == [
        ("flask", None, 1),
        ("evil", None, 1),
        ("last", None, 2),
    ]


def test_a_file_of_windows_is_read() -> None:
    assert brief(one("requirements.txt", "flask==1.0\r\nidna\r\n".encode("utf-16"))) == [
        ("flask", "1.0", 1),
        ("idna", None, 2),
    ]


def test_a_pyproject_is_read_wherever_it_names_packages() -> None:
    found = one(
        "pyproject.toml",
        """\
[build-system]
requires = ["hatchling"]
[project]
dependencies = [
  "flask>=2",
  'Own_Lib',
]
[project.optional-dependencies]
fast = ["uvloop==0.19.0"]
[dependency-groups]
dev = ["flask>=2", "pytest", {include-group = "more"}]
[tool.uv.sources]
own-lib = { workspace = true }
pytest = { git = "https://git.example/pytest" }
[tool.poetry.dependencies]
python = "^3.11"
django = "4.2.1"
rich = { version = "^13", extras = ["all"] }
near = { path = "../near" }
[tool.poetry.group.dev.dependencies.mypy]
version = "==1.8.0"
""",
    )

    assert brief(found) == [
        ("hatchling", None, 2),
        ("flask", None, 5),
        ("uvloop", "0.19.0", 9),
        ("pytest", None, 11),
        ("django", "4.2.1", 17),
        ("rich", None, 18),
        ("mypy", "1.8.0", 20),
    ]
    assert [one.source for one in found if one.name == "pytest"] == ["git.example"]


UV_LOCK = """\
version = 1

[[package]]
name = "flask"
version = "3.0.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [
    { name = "idna" },
]

[[package]]
name = "idna"
version = "3.4"
source = { registry = "https://mirror.example/simple" }

[[package]]
name = "shop"
version = "0.1.0"
source = { editable = "." }

[[package]]
name = "tool"
version = "1.0"
source = { git = "https://git.example/tool?rev=1#2" }
"""


def test_the_locks_of_uv_and_poetry_are_read() -> None:
    found = one("backend/uv.lock", UV_LOCK)
    assert [(one.name, one.version, one.line, one.source, one.direct) for one in found] == [
        ("flask", "3.0.0", 4, "", False),
        ("idna", "3.4", 12, "mirror.example", False),
        ("tool", "1.0", 22, "git.example", False),
    ]
    assert brief(one("poetry.lock", '[[package]]\nname = "Jinja2"\nversion = "3.1"\n')) == [("jinja2", "3.1", 2)]


def test_pipenvs_files_are_read() -> None:
    assert brief(
        one("Pipfile", '[packages]\nflask = "==2.0"\nidna = "*"\n[dev-packages]\npytest = {version = "*"}\n')
    ) == [
        ("flask", "2.0", 2),
        ("idna", None, 3),
        ("pytest", None, 5),
    ]
    lock = {"_meta": {}, "default": {"flask": {"version": "==2.0"}}, "develop": {"pytest": {"version": "==8.1"}}}
    assert brief(one("Pipfile.lock", json.dumps(lock, indent=1))) == [("flask", "2.0", 4), ("pytest", "8.1", 9)]


PACKAGE = """\
{
  "name": "shop",
  "workspaces": ["packages/*"],
  "scripts": { "lodash": "echo" },
  "dependencies": {
    "lodash": "4.17.20",
    "@types/node": "^20",
    "other": "npm:left-pad@1.3.0",
    "near": "file:../near",
    "@acme/ui": "*",
    "tool": "acme/tool#v1",
    "far": "https://files.example/far.tgz"
  },
  "devDependencies": { "jest": "~29" }
}
"""


def test_a_package_json_is_read_but_for_what_is_in_the_repository() -> None:
    inner = b'{"name": "@acme/ui", "dependencies": {"react": "18.2.0"}}'
    outer = b'{"name": "lodash"}'
    found, faults = read({"package.json": PACKAGE.encode(), "packages/ui/package.json": inner, "x/package.json": outer})

    assert faults == []
    assert brief(found) == [
        ("lodash", "4.17.20", 6),
        ("@types/node", None, 7),
        ("left-pad", "1.3.0", 8),
        ("tool", None, 11),
        ("far", None, 12),
        ("jest", None, 14),
        ("react", "18.2.0", 1),
    ], "x/ is no workspace: it hides no name"
    assert {one.name: one.source for one in found if one.source} == {"tool": "git", "far": "files.example"}


def test_a_package_lock_is_read_with_what_lies_inside_others() -> None:
    lock = {
        "lockfileVersion": 3,
        "packages": {
            "": {"dependencies": {"a": "1"}},
            "packages/ui": {"version": "1.0.0"},
            "node_modules/@acme/ui": {"link": True},
            "node_modules/a": {"version": "1.0.0", "resolved": "https://registry.npmjs.org/a/-/a-1.0.0.tgz"},
            "node_modules/a/node_modules/@s/b": {"version": "2.0.0-rc.1"},
            "node_modules/alias": {"name": "left-pad", "version": "1.3.0"},
            "node_modules/far": {"version": "1.0.0", "resolved": "https://files.example/far.tgz"},
        },
    }
    found = one("package-lock.json", json.dumps(lock, indent=2))

    assert [(one.name, one.version, one.source) for one in found] == [
        ("a", "1.0.0", ""),
        ("@s/b", "2.0.0-rc.1", ""),
        ("left-pad", "1.3.0", ""),
        ("far", "1.0.0", "files.example"),
    ]
    lines = json.dumps(lock, indent=2).split("\n")
    assert "node_modules/@s/b" not in lines[found[0].line - 1] and '"node_modules/a"' in lines[found[0].line - 1]


def test_a_name_of_another_index_is_not_asked_of_the_usual_one() -> None:
    lock = {"default": {"flask": {"version": "==2.0", "index": "pypi"}, "own": {"version": "==1.0", "index": "inner"}}}
    found = one("Pipfile.lock", json.dumps(lock))
    found += one("pyproject.toml", '[tool.poetry.dependencies]\nmine = {version = "^1", source = "inner"}\n')
    assert {one.name: one.source for one in found} == {"flask": "", "own": "the index inner", "mine": "the index inner"}


YARN = """\
# yarn lockfile v1

"@babel/core@^7.0.0", "@babel/core@^7.1":
  version "7.1.0"
  resolved "https://registry.yarnpkg.com/x"

ms@2.0.0:
  version "2.0.0"
"""
PNPM = """\
lockfileVersion: '9.0'
importers:
  .:
    x: 1
packages:

  '@a/b@1.0.0(react@18.0.0)':
    resolution: {}
  ms@2.0.0:
    resolution: {}
  /old/3.0.0_peer:
    dev: true
snapshots:
  zz@1.0.0: {}
"""


def test_the_locks_of_old_npm_yarn_and_pnpm_are_read() -> None:
    old = {
        "lockfileVersion": 1,
        "dependencies": {"a": {"version": "1.0.0", "dependencies": {"b": {"version": "2.0.0"}}}},
    }
    assert {(a.name, a.version) for a in one("package-lock.json", json.dumps(old))} == {
        ("a", "1.0.0"),
        ("b", "2.0.0"),
    }
    assert brief(one("yarn.lock", YARN)) == [("@babel/core", "7.1.0", 3), ("ms", "2.0.0", 7)]
    assert brief(one("pnpm-lock.yaml", PNPM)) == [("@a/b", "1.0.0", 7), ("ms", "2.0.0", 9), ("old", "3.0.0", 11)]


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("requirements.txt", True),
        ("api/requirements/prod.txt", True),
        ("dev-requirements.in", True),
        ("web/package.json", True),
        ("web/node_modules/a/package.json", False),
        ("notes/requirements.md", False),
        ("package.json.bak", False),
    ],
)
def test_a_manifest_is_known_by_its_path(path: str, is_one: bool) -> None:
    assert MANIFESTS(path) is is_one


@pytest.mark.parametrize(
    ("path", "raw", "words"),
    [
        ("package.json", b"{" * 100_000, "is no JSON"),
        ("package.json", b'{"dependencies":' * 100_000, "is no JSON"),
        ("package.json", b"[]", "is no JSON object"),
        ("package.json", b'{"dependencies": {"../../etc/passwd": "1"}}', "line 1 names no package"),
        ("pyproject.toml", b"a = " + b"[" * 100_000, "is no TOML"),
        ("uv.lock", b"\xff\xfe\x00", "is no text"),
        ("requirements.txt", b"\x80", "is no text"),
        ("requirements.txt", b"flask\n<<<<<<< ours\n", "line 2 names no package"),
        ("requirements.txt", b"a" * (LARGEST + 1), "is larger than 8 MiB"),
        ("requirements.txt", b"a \\\n" * 10_000, "has no end"),
        (
            "requirements.txt",
            "\n".join(f"n{at}" for at in range(MOST + 1)).encode(),
            f"names more than {MOST} packages",
        ),
    ],
)
def test_a_broken_file_is_a_fault_in_words(path: str, raw: bytes, words: str) -> None:
    found, faults = read({path: raw, "Pipfile": b'[packages]\nflask = "*"\n'})

    assert len(faults) == 1 and words in faults[0] and faults[0].startswith(path)
    assert "flask" in {one.name for one in found}, "the others are read"


def test_a_path_can_not_break_the_words_of_a_fault() -> None:
    _, faults = read({"a\n@everyone/package.json": b"{"})
    assert faults == ["a?@everyone/package.json: is no JSON"]


def test_the_same_name_in_one_file_counts_once() -> None:
    assert brief(one("requirements.txt", "flask==1.0\nFlask==1.0\nflask==2.0\n")) == [
        ("flask", "1.0", 1),
        ("flask", "2.0", 3),
    ]


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("package.json", b'{"a": "' + b'\\"' * 500_000 + b'"}'),
        ("pyproject.toml", b'a = """\n[' + b" " * 1_000_000 + b'\n"""'),
        ("requirements.txt", b"a #" + b"#&" * 2000),
        ("yarn.lock", b"@" * 1_000_000),
        ("pnpm-lock.yaml", b"packages:\n  " + b"@" * 1_000_000),
    ],
)
def test_a_hostile_file_costs_no_more_than_its_size(path: str, raw: bytes) -> None:
    start = time.process_time()
    read({path: raw})
    assert time.process_time() - start < 30


SCRAPS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["1.0.0", "npm:a@1", "git+x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["dependencies", "packages", "default", "version", "resolved", "node_modules/a", "workspaces"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(
    path=st.sampled_from([*READERS, "requirements.txt"]),
    tree=SCRAPS,
    raw=st.binary(max_size=80) | st.text().map(str.encode),
)
def test_whatever_a_file_holds_nothing_is_raised(path: str, tree: object, raw: bytes) -> None:
    read({path: raw})
    read({path: json.dumps(tree).encode()})


def test_tables_of_the_wrong_kind_are_no_accident() -> None:
    for text in (
        'project = 3\ntool = "x"\n',
        "[project]\ndependencies = 3\n[tool.poetry]\ndependencies = []\n",
        "[project]\ndependencies = [1, [2], {a = 1}]\n[tool.uv]\nsources = 1\n",
        "[tool.poetry.dependencies]\na = 1\nb = [{version = 1}, 2]\nc = {git = 5}\n",
        "package = 1\n",
        'package = ["x"]\n',
        'package = [{name = 1}, {name = "a", source = 3, version = []}]\n',
    ):
        for path in ("pyproject.toml", "uv.lock", "Pipfile"):
            read({path: text.encode()})
