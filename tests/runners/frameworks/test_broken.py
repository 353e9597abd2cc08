"""Files that can't be read: the project stays what it is, or the answer names the file and the place; never a guess
that goes green."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.base import Plan
from runners.frameworks import NotDetected, Tree, detect
from runners.frameworks.python import source

PAGE = "<!doctype html><h1>Hello</h1>\n"
FLASK = (
    "from flask import Flask, render_template\n\napp = Flask(__name__)\n\n\n"
    "@app.get('/')\ndef index():\n    return render_template('index.html')\n"
)
BESIDE = {"requirements.txt": "flask\n", "templates/index.html": PAGE}


def seen(folder: Path, files: dict[str, str]) -> Plan:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return detect(Tree.read(folder))


def refusal(folder: Path, files: dict[str, str]) -> NotDetected:
    with pytest.raises(NotDetected) as caught:
        seen(folder, files)
    return caught.value


BROKEN = {
    "nothing of it is left": ("def broken(:\n", 1),
    "a colon is missing": (FLASK.replace("index():", "index()"), 7),
    "a bracket of the imports is open": (FLASK.replace("import Flask, r", "import (Flask, r"), 1),
    "the app's own line is broken": (FLASK.replace("(__name__)", "(__name__ +)"), 3),
    "a merge was left half done": (f"<<<<<<< HEAD\n{FLASK}=======\n>>>>>>> main\n", 1),
    "an indent is wrong": (FLASK.replace("    return", "  x = 1\n    return"), 9),
}


@pytest.mark.parametrize(("text", "line"), BROKEN.values(), ids=BROKEN.keys())
def test_a_flask_app_with_a_syntax_error_is_not_served_as_the_static_site_of_its_templates(
    tmp_path: Path, text: str, line: int
) -> None:
    plan = seen(tmp_path, {**BESIDE, "app.py": text})

    assert (plan.language, plan.framework, plan.kind, plan.entry) == ("python", "flask", "server", "app:app")
    assert str(plan.start).endswith("gunicorn --bind $HOST:$PORT --workers 1 --threads 8 app:app")
    assert f"app.py line {line} can't be read as Python: " in plan.why["start"]


def test_the_plan_of_a_broken_app_installs_what_the_healthy_one_did(tmp_path: Path) -> None:
    healthy = seen(tmp_path, {**BESIDE, "app.py": FLASK})
    broken = seen(tmp_path, {**BESIDE, "app.py": "def broken(:\n"})

    assert (broken.install, broken.manifests, broken.version) == (healthy.install, healthy.manifests, healthy.version)


@pytest.mark.parametrize(
    ("files", "framework", "entry"),
    [
        ({"requirements.txt": "fastapi\n", "app/main.py": "def x(:\n"}, "fastapi", "app.main:app"),
        ({"requirements.txt": "streamlit\n", "app.py": "def x(:\n"}, "streamlit", "app.py"),
        ({"pyproject.toml": "[project]\ndependencies = ['starlette']\n", "api.py": "x = (\n"}, "starlette", "api:app"),
        (
            {"requirements.txt": "Flask\n", "app.py": "web = Flask(\n\n\nx = 1\nsite = Flask(__name__)\n"},
            "flask",
            "app:site",
        ),
        ({"requirements.txt": "requests\n", "main.py": "def x(:\n"}, None, "main.py"),
        ({"main.py": "from http.server import HTTPServer(\n"}, None, "main.py"),
    ],
)
@pytest.mark.parametrize("page", ["templates/index.html", "public/index.html", "index.html"])
def test_a_python_project_whose_entry_cannot_be_parsed_stays_python(
    tmp_path: Path, files: dict[str, str], framework: str | None, entry: str, page: str
) -> None:
    plan = seen(tmp_path, {**files, page: PAGE})

    assert (plan.language, plan.framework, plan.kind, plan.entry) == ("python", framework, "server", entry)
    assert f"{entry.partition(':')[0].removesuffix('.py').replace('.', '/')}.py line 1 can't be" in plan.why["start"]


def test_a_script_that_names_the_framework_does_not_replace_a_broken_app(tmp_path: Path) -> None:
    other = "import subprocess\nfrom flask import g\nsubprocess.run(['true'])\n"

    plan = seen(tmp_path, {**BESIDE, "app.py": "def broken(:\n", "work.py": other})

    assert plan.entry == "app:app"


def test_a_healthy_app_is_preferred_to_a_broken_file_with_a_usual_name(tmp_path: Path) -> None:
    plan = seen(tmp_path, {**BESIDE, "main.py": "print 'old'\n", "web/__init__.py": "", "web/site.py": FLASK})

    assert plan.entry == "web.site:app"
    assert "compile(" not in str(plan.start)


def test_a_page_beside_an_old_script_is_still_a_page(tmp_path: Path) -> None:
    plan = seen(tmp_path, {"index.html": PAGE, "main.py": "print 'made with Python 2'\n"})

    assert plan.language == "static"


def test_a_node_app_beside_a_broken_python_tool_is_still_a_node_app(tmp_path: Path) -> None:
    package = '{"scripts": {"start": "node server.js"}, "dependencies": {"express": "4"}}'
    files = {
        "package.json": package,
        "server.js": "x.listen(1)\n",
        "main.py": "def x(:\n",
        "requirements.txt": "click\n",
    }

    assert seen(tmp_path, files).framework == "express"


def test_of_a_broken_file_everything_that_can_be_read_is_read() -> None:
    text = (
        "from flask import (\n    Flask,\n    g as rest,\n)\n\ntry:\n    import numpy as np\nexcept ImportError:\n"
        "    np = None\n\n\ndef create_app():\n    app = Flask(__name__)\n    return app\n\n\nx = = 1\n\n\n"
        "app: Flask = create_app()\n\nif __name__ == '__main__':\n    init_db()\n    app.run()\n"
    )

    module = source.read("app.py", text)

    assert module.broken == source.Broken(17, "invalid syntax")
    assert module.aliases["rest"] == "flask.g"
    assert module.imported("numpy")
    assert module.objects["app"] == source.Made("create_app", 20)
    assert [made.callee for made in module.functions["create_app"]] == ["flask.Flask"]
    assert module.guarded_calls == ["init_db", "app.run"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('{\n  "scripts": {"build" "vite build"}\n}', 2, "Expecting ':' delimiter (column 23)"),
        ('{\n  // a comment, which is forgiven\n  "scripts": }', 3, "Expecting value (column 14)"),
        ("<<<<<<< HEAD\n{}\n", 1, "Expecting value (column 1)"),
        ("", None, "it is empty"),
        ("[]", None, "it is no object in braces"),
        ('{"a":' * 50_000, None, "a number of it is too long, or it is nested too deep"),
    ],
)
def test_a_broken_package_json_is_told_and_the_index_html_beside_it_is_not_served(
    tmp_path: Path, text: str, line: int | None, words: str
) -> None:
    files = {"package.json": text, "index.html": PAGE, "src/main.js": "", "server.js": "x.listen(1)\n"}

    told = refusal(tmp_path, files)

    at = f"package.json line {line}" if line else "package.json"
    assert str(told) == f"{at} can't be read as JSON: {words}."
    assert (told.path, told.line, told.hint) == ("package.json", line, "Correct package.json.")


def test_a_python_app_runs_though_a_package_json_beside_it_is_broken(tmp_path: Path) -> None:
    assert seen(tmp_path, {**BESIDE, "app.py": FLASK, "package.json": "{"}).framework == "flask"


@pytest.mark.parametrize("folder", ["frontend", "apps/web"])
def test_a_front_end_with_a_broken_manifest_is_not_left_out_silently(tmp_path: Path, folder: str) -> None:
    files = {f"{folder}/package.json": '{"a":}', "backend/app.py": FLASK, "backend/requirements.txt": "flask\n"}

    told = refusal(tmp_path, files)

    assert str(told).startswith(f"{folder}/package.json line 1 can't be read as JSON")


def test_a_folder_of_no_known_use_with_a_broken_manifest_is_passed_over(tmp_path: Path) -> None:
    files = {"skeleton/package.json": '{"a": {{name}}}', "shop/app.py": FLASK, "shop/requirements.txt": "flask\n"}

    assert seen(tmp_path, files).root == "shop"


def test_a_folder_of_no_known_use_is_told_when_there_is_nothing_else(tmp_path: Path) -> None:
    told = refusal(tmp_path, {"shop/package.json": "{", "shop/index.html": PAGE})

    assert told.path == "shop/package.json"


def test_a_broken_pyproject_that_says_what_is_needed_is_told(tmp_path: Path) -> None:
    told = refusal(tmp_path, {"app.py": FLASK, "pyproject.toml": "[project]\nname = 'x'\nversion = = 1\n"})

    assert str(told) == "pyproject.toml line 3 can't be read as TOML: Invalid value."
    assert (told.path, told.line) == ("pyproject.toml", 3)


def test_a_broken_pyproject_that_says_nothing_of_needs_is_passed_over(tmp_path: Path) -> None:
    plan = seen(tmp_path, {"app.py": FLASK, "requirements.txt": "flask\n", "pyproject.toml": "[tool.black"})

    assert plan.framework == "flask"


@pytest.mark.parametrize(
    "files",
    [
        {"templates/index.html": PAGE},
        {"views/index.html": PAGE, "notes.txt": "x"},
        {"shop/templates/shop/index.html": PAGE},
        {"index.html": "{% extends 'base.html' %}<h1>x</h1>"},
        {"index.html": "<h1>{{ title }}</h1>"},
        {"index.html": "<link href=\"{{ url_for('static', filename='a.css') }}\"><script>let a</script>"},
        {"index.html": "<script src=\"{{ url_for('static', filename='a.js') }}\"></script>"},
        {"index.html": "<ul><% items.forEach(item => { %><li><%= item %></li><% }) %></ul>"},
        {"index.html": "<h1>{{ title }}</h1>", "about.html": PAGE},
    ],
)
def test_templates_of_a_server_are_not_a_static_site(tmp_path: Path, files: dict[str, str]) -> None:
    told = refusal(tmp_path, files)

    assert f"{next(iter(files))} is a template that a server fills in" in str(told)
    assert "Procfile" in str(told)


@pytest.mark.parametrize(
    "text",
    [
        '<div id="app">{{ count }}</div><script src="https://unpkg.com/vue@3"></script>',
        '<div id="app">{{ count }}</div><script type="module" src="main.js"></script>',
        '<body ng-app><a href="{{ link }}">{{ name }}</a></body>',
        '<p>In Jinja one writes <code>{{ name }}</code>:</p><pre>{% if x %}</pre><!-- {% include "x" %} -->',
        "<script>const style = {{color: 1}}; if (a <b) c = `<%= d %>`</script>",
        "<style>a{{b}}</style><p>50 <% 60</p>".replace("<%", "&lt;%"),
    ],
)
def test_braces_that_a_browser_fills_in_or_that_are_only_shown_make_no_template(tmp_path: Path, text: str) -> None:
    plan = seen(tmp_path, {"index.html": text})

    assert (plan.language, plan.static_dir) == ("static", ".")


def test_a_page_of_its_own_is_served_though_templates_lie_in_another_folder(tmp_path: Path) -> None:
    plan = seen(tmp_path, {"_layouts/default.html": "{{ content }}", "site/index.html": PAGE})

    assert plan.static_dir == "site"


@pytest.mark.parametrize(
    "text", ["<script" * 15_000, "<!--" * 25_000, "{{" * 50_000, "{%a" * 33_000, "href={{" * 14_000]
)
def test_a_hostile_page_is_looked_at_quickly(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.html").write_text(text)
    tree = Tree.read(tmp_path)

    try:
        plan = detect(tree)
    except NotDetected:
        return

    assert plan.language == "static"
