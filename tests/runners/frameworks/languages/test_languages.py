"""What holds for the plans of every language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runners.base import Plan
from runners.docker.bases import name_of
from runners.frameworks import Tree, detect

APPS = Path(__file__).parents[3] / "apps"
WITHOUT_IMAGE = {"zola", "zig"}
PLANS = {path.name: detect(Tree.read(path / "src")) for path in sorted(APPS.iterdir())}
OTHERS = {
    name: plan for name, plan in PLANS.items() if plan.language not in ("python", "node", "static", "multi", "docker")
}
DEVELOPS = re.compile(r"--watch|\bartisan serve\b|\bdotnet watch\b|\bhugo server\b|\bjekyll serve\b|\bmkdocs serve\b")


@pytest.mark.parametrize("name", OTHERS)
def test_there_is_an_image_and_a_way_to_start(name: str) -> None:
    plan = OTHERS[name]

    assert name_of(plan, {}) or plan.language in WITHOUT_IMAGE
    assert plan.start or plan.static_dir


@pytest.mark.parametrize("name", PLANS)
def test_no_development_server_starts(name: str) -> None:
    assert not DEVELOPS.search(PLANS[name].start or "")


@pytest.mark.parametrize("name", [name for name, plan in OTHERS.items() if plan.framework in ("rails", "laravel")])
def test_no_secret_is_written_into_a_plan(name: str) -> None:
    told = {key for key in OTHERS[name].env if "KEY" in key or "SECRET" in key}

    assert told == set()
    assert re.search(r"(SECRET_KEY_BASE|APP_KEY)=\"\$\{\1:-", OTHERS[name].start or "")


@pytest.mark.parametrize(
    "files",
    [
        {
            "go.mod": "module x\n",
            "main.go": "package main\nfunc main() {}\n",
            "package.json": '{"scripts": {"start": "node a"}}',
        },
        {
            "Cargo.toml": '[package]\nname = "x"\n',
            "src/main.rs": "fn main() {}",
            "package.json": '{"scripts": {"start": "node a"}}',
        },
    ],
)
def test_a_program_that_serves_nothing_yields_to_one_that_does(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in {**files, "a.js": "require('http').createServer().listen(1)"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    assert detect(Tree.read(tmp_path)).language == "node"


def test_an_odd_file_name_stays_one_word(tmp_path: Path) -> None:
    (tmp_path / "a;id.php").write_text("<?php")

    assert detect(Tree.read(tmp_path)).start == "php -S $HOST:$PORT -t . 'a;id.php'"


@pytest.mark.parametrize(
    ("manifest", "text"),
    [
        ("Cargo.toml", '[package]\nname = "a; touch b"\n[[bin]]\nname = "$(id)"\npath = "src/main.rs"\n'),
        ("shard.yml", "name: $(id)\n"),
        ("Package.swift", '.executableTarget(name: "a`id`")'),
        ("build.sbt", 'name := "a;b"\n'),
    ],
)
def test_a_name_that_is_more_than_a_word_reaches_no_command_line(tmp_path: Path, manifest: str, text: str) -> None:
    (tmp_path / manifest).write_text(text)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/main.rs").write_text("fn main() { TcpListener::bind() }")
    (tmp_path / "index.html").write_text("<p>x</p>")
    plan: Plan = detect(Tree.read(tmp_path))

    said = f"{plan.build} {plan.start}"
    assert not re.search(r"\$\(id\)|`id`|touch|a;b", said)
