"""Hostile trees: what is not there to be read is not read, and the work stays bounded."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from runners.frameworks import NotDetected, Tree, detect
from runners.frameworks import tree as bounds
from runners.frameworks.tree import decode


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_files_come_shallowest_first_with_what_tools_leave_left_out(tmp_path: Path) -> None:
    for name in ("b/c.py", "a.py", "node_modules/x/index.js", ".git/config", "b/a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert Tree.read(tmp_path).files == ("a.py", "b/a.py", "b/c.py")


def test_links_to_outside_to_folders_and_in_circles_do_not_exist(tmp_path: Path) -> None:
    secret = written(tmp_path / "outside", requirements__txt="flask\n")
    root = written(tmp_path / "root", app__py="x = 1\n")
    (root / "requirements.txt").symlink_to(secret / "requirements.txt")
    (root / "more").symlink_to(secret)
    (root / "circle").symlink_to(root)
    (root / "self").symlink_to("self")
    (root / "dangling").symlink_to("nowhere")
    (root / "main.py").symlink_to("app.py")

    tree = Tree.read(root)

    assert tree.files == ("app.py", "main.py")
    assert tree.text("main.py") == "x = 1\n"
    assert tree.text("../outside/requirements.txt") == ""


def test_pipes_and_sockets_are_neither_listed_nor_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Procfile")
    (tmp_path / "index.html").write_text("x")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "app.py"))
        tree = Tree.read(tmp_path)

    assert tree.files == ("index.html",)
    assert detect(tree).kind == "static"


def test_a_file_that_turns_into_a_pipe_is_read_as_empty(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: x\n")
    tree = Tree.read(tmp_path)
    (tmp_path / "Procfile").unlink()
    os.mkfifo(tmp_path / "Procfile")

    assert tree.text("Procfile") == ""


def test_very_deep_folders_are_not_walked(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(60):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "app.py").touch()
    (tmp_path / "d/d/d/d/last.py").touch()

    assert Tree.read(tmp_path).files == ("d/d/d/d/last.py",)


def test_listing_stops_at_the_bound_and_keeps_the_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_ENTRIES", 500)
    (tmp_path / "many").mkdir()
    for number in range(2000):
        (tmp_path / "many" / f"{number}.txt").touch()
    written(tmp_path, app__py="from flask import Flask\napp = Flask(__name__)\n", requirements__txt="flask\n")

    tree = Tree.read(tmp_path)

    assert len(tree.files) <= 500
    assert detect(tree).framework == "flask"


@pytest.mark.slow
def test_fifty_thousand_files_need_a_handful_of_reads(tmp_path: Path) -> None:
    for folder in range(50):
        (tmp_path / f"part{folder}").mkdir()
        for number in range(1000):
            (tmp_path / f"part{folder}" / f"{number}.py").touch()
    written(tmp_path, package__json='{"scripts": {"start": "node x.js"}, "dependencies": {"express": "4"}}')

    tree = Tree.read(tmp_path)

    assert detect(tree).framework == "express"
    assert tree.reads <= bounds.MAX_READS


def test_a_file_is_opened_once_and_never_more_than_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_READS", 10)
    for number in range(30):
        (tmp_path / f"app{number:02}.py").write_text("from flask import Flask\n")

    tree = Tree.read(tmp_path)
    for _ in range(2):
        with pytest.raises(NotDetected):
            detect(tree)

    assert tree.reads == 10


def test_a_huge_package_json_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "package.json").open("wb") as file:
        file.write(b'{"dependencies": {"express": "4"}, "x": "')
        file.truncate(200 * 1024 * 1024)
    tree = Tree.read(tmp_path)

    with pytest.raises(NotDetected):
        detect(tree)

    assert len(tree.text("package.json")) <= bounds.MAX_BYTES


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("package.json", "[" * 200_000),
        ("package.json", '{"a":' * 100_000),
        ("package.json", '{"version": ' + "9" * 100_000 + "}"),
        ("package.json", "/*" * 200_000),
        ("package.json", '\\"' * 200_000),
        ("pyproject.toml", "a = " + "[" * 100_000),
        ("pyproject.toml", "a = " + "9" * 100_000),
        ("main.py", "import flask\n" + "(" * 90_000),
        ("main.py", "import flask\n" + "-" * 190_000 + "1"),
        ("main.py", "import flask\nx = " + "a." * 90_000 + "b"),
        ("main.py", "import flask\nx = " + "1+" * 90_000 + "1"),
        ("main.py", "import flask\nx = f" + "()" * 90_000),
        ("main.py", "import flask\n" + "\n" * 900_000 + "(" * 10),
        ("main.py", "import flask\nx = '\\d'\n\0"),
        ("requirements.txt", "\n" * 900_000),
        ("requirements.txt", "-r requirements.txt\n-r ../../etc/passwd\n-r /etc/passwd\n"),
        ("Procfile", "web: " + " " * 400_000 + "x" + " " * 400_000 + "y"),
        ("Dockerfile", "\n" * 900_000 + "EXPOSE 99999999\nEXPOSE $NOPE\nEXPOSE \u0663"),
        ("pnpm-workspace.yaml", "packages:\n" + "  -\n" * 100_000),
    ],
)
def test_a_hostile_manifest_gets_a_clear_answer(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    tree = Tree.read(tmp_path)

    try:
        plan = detect(tree)
    except NotDetected:
        return

    assert plan.language in ("python", "procfile", "docker")
    assert all(not manifest.startswith(("/", "..")) for manifest in plan.manifests)


def test_a_script_that_calls_itself_is_written_out_only_so_far(tmp_path: Path) -> None:
    runs = " && ".join(["npm run start"] * 200)
    (tmp_path / "package.json").write_text(f'{{"scripts": {{"start": "{runs}"}}}}')

    assert detect(Tree.read(tmp_path)).start == runs


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_is_understood_in_the_encodings_that_editors_write(codec: str) -> None:
    assert decode("flask\n".encode(codec)) == ("flask\n", codec == "utf-8")


def test_names_that_could_break_a_line_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a\nweb: x").touch()
    (tmp_path / os.fsdecode(b"\xff.py")).touch()

    assert Tree.read(tmp_path).files == ()


def test_reading_what_is_no_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Tree.read(tmp_path / "nothing")
