"""What files give away, whatever their language."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from runners.frameworks.languages import clues
from runners.frameworks.tree import Tree


def tree_of(folder: Path, files: dict[str, str]) -> Tree:
    for name, text in files.items():
        (folder / name).write_text(text)
    return Tree.read(folder)


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ('http.ListenAndServe(":9090", nil)', 9090),
        ('port := os.Getenv("PORT"); if port == "" { port = "5000" }', 5000),
        ('let port = env::var("PORT").unwrap_or("3030".into());', 3030),
        ('TcpListener::bind("127.0.0.1:7878")', 7878),
        ("new Application().listen({ port: 8100 })", 8100),
        ("Deno.serve({ port: 4507 }, handler)", 4507),
        ("HttpServer.create(new InetSocketAddress(8081), 0)", 8081),
        ("server = TCPServer.new(port = ENV['PORT'] || 2345)", 2345),
        ("a year is 2026, an error 404", 8080),
        ("see http://example.com:99999/ for more", 8080),
    ],
)
def test_a_port_is_read_from_the_line_that_listens(text: str, port: int) -> None:
    assert clues.port_in(text, 8080) == port


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({".tool-versions": "nodejs 20\ngolang 1.22.1\n"}, "1.22.1"),
        ({"mise.toml": '[tools]\ngo = "1.21"\n'}, "1.21"),
        ({"mise.toml": '[tools]\ngo = {version = "1.20"}\n'}, "1.20"),
        ({".tool-versions": "golang latest\n"}, None),
        ({"mise.toml": "not toml ["}, None),
        ({}, None),
    ],
)
def test_a_tool_file_says_the_version(tmp_path: Path, files: dict[str, str], version: str | None) -> None:
    assert clues.version_tool(tree_of(tmp_path, files), "golang", "go") == version


def test_a_version_file_may_say_more_than_the_number(tmp_path: Path) -> None:
    assert clues.version_file(tree_of(tmp_path, {".ruby-version": "ruby-3.2.1\n"}), ".ruby-version") == "3.2.1"


def told(assignment: str, env: dict[str, str]) -> str:
    script = f'export {assignment}; printf %s "$KEY"'
    path = {"PATH": "/usr/bin:/bin"}
    return subprocess.run(["sh", "-c", script], env={**path, **env}, capture_output=True, text=True, check=True).stdout


def test_a_secret_is_made_up_anew_for_each_life_and_only_when_none_is_set() -> None:
    first, second = told(clues.made_up("KEY"), {}), told(clues.made_up("KEY"), {})

    assert len(first) == 96
    assert first != second
    assert told(clues.made_up("KEY"), {"KEY": "set by people"}) == "set by people"


def test_a_made_up_key_of_laravel_has_thirty_two_bytes() -> None:
    kind, _, key = told(clues.made_up("KEY", "base64:"), {}).partition(":")

    assert kind == "base64"
    assert len(base64.b64decode(key, validate=True)) == 32


def test_a_framework_is_the_first_row_whose_word_is_held() -> None:
    rows = (("strong", "first"), ("weak", "second"))

    assert clues.framework(rows, "weak and strong") == "first"
    assert clues.framework(rows, {"weak": "1"}) == "second"
    assert clues.framework(rows, frozenset({"weaker"})) is None


def test_fields_that_nothing_speaks_for_are_left_out() -> None:
    assert clues.evidence(language="go.mod is there", framework=None, kind="") == {"language": "go.mod is there"}
