"""Which of several services answers where, how the front end learns of it, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runners.base import Plan
from runners.frameworks import Tree, detect
from runners.frameworks.calls import handed_on, values

APPS = Path(__file__).parents[2] / "apps"
ROUTE = 'from fastapi import FastAPI\napp = FastAPI()\n\n\n@app.get("{}")\ndef one(): ...\n'


def tree(folder: Path, files: dict[str, str]) -> Tree:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return Tree.read(folder)


def known(folder: Path, files: dict[str, str]) -> Plan:
    return detect(tree(folder, files))


@pytest.mark.parametrize(
    ("code", "strip"),
    [
        (ROUTE.format("/items"), True),
        (ROUTE.format("/api/items"), False),
        (ROUTE.format("/apiary"), True),
        (ROUTE.format("/v1/api/items"), True),
        (ROUTE.format("/x") + 'app.include_router(router, prefix="/api")\n', False),
        (ROUTE.format("/x") + "requests.get('https://example.com/api/x')\n", True),
        (ROUTE.format("/x") + "# see /api/x\n", True),
    ],
)
def test_the_path_is_taken_away_unless_the_back_end_names_it(tmp_path: Path, code: str, strip: bool) -> None:
    plan = known(tmp_path, {"frontend/index.html": "<p>", "backend/main.py": code})

    assert [(part.mount, part.strip) for part in plan.parts] == [("/", False), ("/api", strip)]
    assert "/api" in plan.parts[1].why["mount"]


@pytest.mark.parametrize(
    ("name", "text", "path", "strip"),
    [
        ("vite.config.ts", "server: { proxy: { '/api': 'http://localhost:8000' } }", "/api", False),
        ("vite.config.ts", "proxy: { '/socket.io': 'x', '/backend': { target: 'x' } }", "/backend", False),
        (
            "vite.config.js",
            "proxy: { '/a': 'x', '/api/v1': { rewrite: p => p.replace('/api/v1', '') } }",
            "/api/v1",
            True,
        ),
        ("vite.config.js", "proxy: {\n'^/api/.*': { rewrite: (p) => p.replace(/^\\/api/, '') } }", "/api", True),
        ("proxy.conf.json", '{"/api": {"target": "x", "pathRewrite": {"^/api": ""}}}', "/api", True),
        ("src/setupProxy.js", "app.use('/api', createProxyMiddleware({ target: 'x' }))", "/api", False),
        ("next.config.mjs", "source: '/api/:path*', destination: 'http://x:1/api/:path*'", "/api", False),
        ("next.config.mjs", "source: '/api/:path*', destination: `${process.env.API}/:path*`", "/api", True),
    ],
)
def test_what_the_development_server_hands_on_comes_first(
    tmp_path: Path, name: str, text: str, path: str, strip: bool
) -> None:
    found = handed_on(tree(tmp_path, {name: text}))

    assert found is not None
    assert (found.path, found.strip, found.file) == (path, strip, name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "proxy: true",
        "// proxy: { '/api': 'x' }",
        "proxy: { '/ws': { ws: true } }",
        "proxy: { '/api': { rewrite: (p) => p.replace(/^\\/api/, '/other') } }",
    ],
)
def test_a_configuration_that_says_nothing_of_it_is_not_believed(tmp_path: Path, text: str) -> None:
    assert handed_on(tree(tmp_path, {"vite.config.js": text})) is None


@pytest.mark.parametrize(
    ("code", "strip", "value"),
    [
        ("fetch(`${import.meta.env.VITE_API_URL}/items`)", True, "/api"),
        ("import.meta.env.VITE_API_URL || 'http://localhost:8000'", True, "/api"),
        ("import.meta.env.VITE_API_URL || 'http://localhost:8000/v1/'", True, "/api/v1"),
        ("import.meta.env.VITE_API_URL ?? '/api'", True, "/api"),
        ("VITE_API_URL=http://localhost:8000/api\n", False, "/api"),
        ("VITE_API_URL=https://api.example.com\n", False, "/."),
        ("fetch(`${import.meta.env.VITE_API_URL}/api/items`)", False, "/."),
        ("fetch(`${import.meta.env.VITE_API_URL}/items`)", False, "/api"),
    ],
)
def test_what_the_code_puts_behind_a_variable_is_found(code: str, strip: bool, value: str) -> None:
    assert values([("src/a.js", code)], "/api", strip=strip)[0] == {"VITE_API_URL": value}


@pytest.mark.parametrize(
    "code",
    [
        "VITE_API_KEY=http://localhost:1",
        "import.meta.env.VITE_TITLE",
        "VITE_WEATHER_API_URL=https://api.weather.example",
        "process.env.API_URL",
        "VITE_API_VERSION",
    ],
)
def test_other_variables_are_left_alone(code: str) -> None:
    assert values([("src/a.js", code)], "/api", strip=True)[0] == {}


def test_an_address_of_the_authors_own_machine_is_told(tmp_path: Path) -> None:
    files = {"frontend/index.html": "<script>fetch('http://localhost:8000/items')</script>", "backend/main.py": ROUTE}

    front, _back = known(tmp_path, files).parts

    assert "http://localhost:8000" in front.why["calls"]
    assert "frontend/index.html" in front.why["calls"]


def test_who_is_not_shown_is_said() -> None:
    plan = detect(Tree.read(APPS / "three-services" / "src"))

    assert plan.why["mount"].endswith("not shown: mailer")
    assert "not shown" in plan.parts[2].why["mount"]
    assert [part.root for part in plan.shown] == ["web", "api", "search"]


def test_a_release_command_of_one_part_is_the_projects(tmp_path: Path) -> None:
    files = {
        "frontend/index.html": "<p>",
        "backend/main.py": ROUTE,
        "backend/Procfile": "web: uvicorn main:app\nrelease: make tables\n",
    }

    assert known(tmp_path, files).release == "make tables"


@pytest.mark.parametrize("size", [3_000, 30_000])
def test_hostile_text_costs_no_more_than_it_is_long(tmp_path: Path, size: int) -> None:
    """Would take minutes if a pattern started over and over."""
    for name, text in {
        "vite.config.js": "proxy: {" + "'/api': { rewrite: " * size,
        "next.config.js": "source: '/a', destination: `" * size,
        "src/a.js": "VITE_API_" * size + "VITE_API_URL" * size + "\n" + "VITE_API_URL " * size,
    }.items():
        (tmp_path / "frontend" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "frontend" / name).write_text(text)
    (tmp_path / "frontend" / "index.html").write_text("<p>")

    plan = known(tmp_path, {"backend/main.py": ROUTE.format("/x")})

    assert json.dumps(plan.as_json())
    assert plan.kind == "multi"
