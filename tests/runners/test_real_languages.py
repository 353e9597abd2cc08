"""Programs in other languages, built and asked for real: on Docker, and as processes where their tools are.

The image of the Docker tests has Go, PHP and Ruby from Debian's packages; making it takes a minute, once: it stays
under its tag.  Without a registry of packages, no program here has dependencies.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from runners.base import BuildFailed, Limits
from runners.base.folders import Folders
from runners.docker import DockerRunner
from runners.frameworks import Tree, detect
from runners.process import ProcessRunner
from tests.conftest import base_images
from tests.runners.apps import Yard, a_source, ask
from tests.runners.docker.conftest import engine, new_runner  # noqa: F401
from tests.sizes import soaking

pytestmark = pytest.mark.slow

IMAGE = "slipway-tests/languages:1"
PACKAGES = "golang-go php-cli ruby ruby-rack ruby-webrick"
GO = {
    "go.mod": "module shop\n\ngo 1.19\n",
    "words/words.go": 'package words\n\nconst Hello = "hello from go"\n',
    "cmd/server/main.go": 'package main\n\nimport (\n\t"fmt"\n\t"net/http"\n\t"os"\n\n\t"shop/words"\n)\n\n'
    "func main() {\n"
    '\thttp.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, words.Hello) })\n'
    '\thttp.ListenAndServe(":"+os.Getenv("PORT"), nil)\n}\n',
    "cmd/tidy/main.go": "package main\n\nfunc main() {}\n",
}
PHP = {
    "public/index.php": "<?php\nrequire '../words.php';\necho hello($_SERVER['REQUEST_URI']);\n",
    "words.php": "<?php\nfunction hello($path) { return 'hello from php at ' . $path; }\n",
}
COMPOSED = {
    "composer.json": '{"require": {"php": ">=8.0"}, "autoload": {"psr-4": {"Shop\\\\": "src/"}}}',
    "src/Words.php": "<?php\nnamespace Shop;\nclass Words { const HELLO = 'hello from composer'; }\n",
    "public/index.php": "<?php\nrequire '../vendor/autoload.php';\necho Shop\\Words::HELLO;\n",
}
RACK = {"config.ru": "run ->(env) { [200, {'Content-Type' => 'text/plain'}, ['hello from ruby']] }\n"}
RUBY = {
    "app.rb": "require 'webrick'\n\nserver = WEBrick::HTTPServer.new(Port: 4481)\n"
    "server.mount_proc('/') { |_, answer| answer.body = 'hello from webrick' }\nserver.start\n"
}
RUST = {
    "Cargo.toml": '[package]\nname = "shop"\nversion = "0.1.0"\nedition = "2021"\n',
    "src/main.rs": "use std::io::{Read, Write};\n\nfn main() {\n"
    '    let port = std::env::var("PORT").unwrap_or("8080".into());\n'
    '    let door = std::net::TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();\n'
    "    for visitor in door.incoming() {\n        let mut visitor = visitor.unwrap();\n"
    "        let _ = visitor.read(&mut [0; 4096]);\n"
    '        let _ = visitor.write_all(b"HTTP/1.1 200 OK\\r\\nContent-Length: 15\\r\\nConnection: close\\r\\n\\r\\n'
    'hello from rust");\n    }\n}\n',
}
JAVA = {
    "src/shop/Main.java": "package shop;\n\nimport com.sun.net.httpserver.HttpServer;\n"
    "import java.net.InetSocketAddress;\n\npublic class Main {\n"
    "  public static void main(String[] args) throws Exception {\n"
    '    int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"));\n'
    "    HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);\n"
    '    server.createContext("/", visit -> {\n      byte[] answer = Words.HELLO.getBytes();\n'
    "      visit.sendResponseHeaders(200, answer.length);\n      visit.getResponseBody().write(answer);\n"
    "      visit.close();\n    });\n    server.start();\n  }\n}\n",
    "src/shop/Words.java": 'package shop;\n\nclass Words { static final String HELLO = "hello from java"; }\n',
}


async def front_page(yard: Yard, files: Mapping[str, str], path: str = "/") -> str:
    """What a visitor sees of a project that nothing but its files describe."""
    plan = detect(Tree.read(a_source(yard.folder, files).path))
    instance = await yard.start(await yard.build(files, plan))
    status, text = await ask(instance, path)
    assert status == 200, yard.log.text
    return text


@pytest.fixture(scope="module")
def languages() -> str:
    """The image with all these languages; made when it is not there."""
    there = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False)
    if there.returncode:
        script = f"apt-get update && apt-get install --yes --no-install-recommends {PACKAGES}"
        recipe = f"FROM {base_images()['python']}\nRUN {script} && rm -rf /var/lib/apt/lists/*\n"
        made = subprocess.run(
            ["docker", "build", "--label", "slipway.tests=languages", "--tag", IMAGE, "-"],
            input=recipe.encode(),
            capture_output=True,
            check=False,
        )
        if made.returncode:
            pytest.skip("Debian's packages can't be reached")
    return IMAGE


@pytest.fixture
def docker_yard(languages: str, new_runner: object, tmp_path: Path) -> Yard:  # noqa: F811
    images = {**base_images(), "go": languages, "php": languages, "ruby": languages}
    runner: DockerRunner = new_runner(images=images)  # type: ignore[operator]
    return Yard(runner, tmp_path)


@pytest.fixture
async def process_yard(tmp_path: Path) -> AsyncIterator[Yard]:
    runner = ProcessRunner(Folders(tmp_path / "home"), "languages")
    await runner.ready()
    yield Yard(runner, tmp_path, Limits(seconds=60))
    for instance in await runner.instances():
        await runner.stop(instance)
    await runner.close()
    shutil.rmtree(tmp_path / "home", ignore_errors=True)


@pytest.mark.docker
@pytest.mark.parametrize(
    ("files", "path", "seen"),
    [
        pytest.param(GO, "/", "hello from go", id="go"),
        pytest.param(PHP, "/about", "hello from php at /about", id="php"),
        pytest.param(COMPOSED, "/", "hello from composer", id="composer", marks=soaking),
        pytest.param(RACK, "/", "hello from ruby", id="rack"),
        pytest.param(RUBY, "/", "hello from webrick", id="webrick"),
    ],
)
async def test_a_project_answers_on_docker(docker_yard: Yard, files: dict[str, str], path: str, seen: str) -> None:
    assert await front_page(docker_yard, files, path) == seen


@pytest.mark.docker
async def test_a_program_that_does_not_compile_says_where(docker_yard: Yard) -> None:
    broken = {**GO, "words/words.go": "package words\n\nconst Hello = nothing\n"}

    with pytest.raises(BuildFailed) as failed:
        await front_page(docker_yard, broken)

    assert failed.value.step == "build"
    assert "words.go:3" in docker_yard.log.text


@pytest.mark.docker
async def test_what_a_compiler_keeps_serves_the_next_build(docker_yard: Yard) -> None:
    await front_page(docker_yard, GO)
    kept = docker_yard.folder / "home" / "caches" / "scope-a" / "docker" / "go-build"

    assert any(kept.iterdir())


@pytest.mark.skipif(shutil.which("cargo") is None, reason="there is no cargo on this machine")
async def test_rust_is_built_and_answers_as_a_process(process_yard: Yard) -> None:
    assert await front_page(process_yard, RUST) == "hello from rust"


@pytest.mark.skipif(shutil.which("javac") is None, reason="there is no javac on this machine")
async def test_java_files_are_built_and_answer_as_a_process(process_yard: Yard) -> None:
    assert await front_page(process_yard, JAVA) == "hello from java"


async def test_a_tool_that_is_not_on_this_machine_is_named(process_yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.defpath.replace("/bin", "/nothing"))

    with pytest.raises(BuildFailed, match="needs go, which is not on the machine") as failed:
        await process_yard.build(GO, dataclasses.replace(detect(Tree.read(a_source(process_yard.folder, GO).path))))

    assert "Docker" in failed.value.hint
