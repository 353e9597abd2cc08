"""Dependencies and built trees: made once, shared where they may be, never changed by who uses them."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from runners.base import BuildFailed, Limits, Plan
from runners.docker import DockerRunner
from runners.docker.engine import Engine
from runners.docker.mounts import Overlays
from tests.runners.apps import HELLO, PYTHON, SERVER, WRITER, Lines, Yard, a_source, ask
from tests.runners.docker.conftest import NewRunner

pytestmark = pytest.mark.docker

MAKES_MODULES = "mkdir -p node_modules/word && echo 'module.exports = \"installed\"' >node_modules/word/index.js"
NODE = Plan(
    language="node", kind="server", manifests=("package.json",), install=(MAKES_MODULES,), start="node server.js"
)
SAYS_WORD = (
    "require('http').createServer((_, answer) => answer.end(require('word'))).listen(process.env.PORT, '0.0.0.0')\n"
)
PACKAGE = json.dumps({"name": "app", "version": "1.0.0"})
APP = {"package.json": PACKAGE, "server.js": SAYS_WORD}


@pytest.fixture(params=["overlay", "copy"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With overlays, and as on an engine that has none."""
    if request.param == "copy":

        async def never(_overlays: Overlays, _image: str) -> bool:
            return False

        monkeypatch.setattr(Overlays, "work", never)
    return str(request.param)


async def test_overlays_work_on_this_engine(runner: DockerRunner, engine: Any) -> None:
    assert await runner._overlays.work("slipway/python:3.11")
    assert engine.volumes(filters={"label": f"slipway.home={runner._engine.home_id}"})["Volumes"] in (None, [])


async def test_modules_are_found_beside_the_code(yard: Yard, either_way: str) -> None:
    instance = await yard.start(await yard.build(APP, NODE))

    assert await ask(instance) == (200, "installed")


async def test_modules_of_a_plan_below_the_root_are_found_there(yard: Yard, either_way: str) -> None:
    plan = dataclasses.replace(NODE, root="apps/web", build="node -p \"require('word')\"")

    instance = await yard.start(await yard.build({f"apps/web/{name}": text for name, text in APP.items()}, plan))

    assert await ask(instance) == (200, "installed")


async def test_what_a_build_changes_in_its_modules_is_seen_at_run_time_and_nowhere_else(
    yard: Yard, either_way: str
) -> None:
    change = "echo 'module.exports = \"generated\"' >node_modules/word/index.js; echo x >node_modules/word/new.js"
    built = await yard.build(APP, dataclasses.replace(NODE, build=change))
    plain = await yard.build(APP, NODE)
    assert built.deps == plain.deps

    one, two = await yard.start(built, "d1"), await yard.start(plain, "d2")

    assert await ask(one) == (200, "generated")
    assert await ask(two) == (200, "installed")


async def test_caches_that_a_build_leaves_among_its_modules_are_not_kept(yard: Yard, either_way: str) -> None:
    plan = dataclasses.replace(NODE, build="mkdir node_modules/.cache && echo x >node_modules/.cache/x")

    artifact = await yard.build(APP, plan)

    assert artifact.path is not None
    kept = Path(artifact.path).with_name("modules")
    assert kept.exists() is (either_way == "copy")
    assert await ask(await yard.start(artifact)) == (200, "installed")


async def test_a_server_may_write_beside_its_modules(yard: Yard) -> None:
    writes = "require('fs').mkdirSync('node_modules/.vite', {recursive: true})\n" + SAYS_WORD
    artifact = await yard.build({**APP, "server.js": writes}, NODE)

    assert await ask(await yard.start(artifact, "d1")) == (200, "installed")
    assert await ask(await yard.start(artifact, "d2")) == (200, "installed")
    assert artifact.deps is not None
    assert not (Path(artifact.deps) / "app" / "node_modules" / ".vite").exists()


async def test_a_workspace_keeps_the_modules_of_all_its_packages(yard: Yard) -> None:
    install = f"{MAKES_MODULES} && mkdir -p packages/a/node_modules/b && echo 1 >packages/a/node_modules/b/index.js"
    plan = dataclasses.replace(NODE, install=(install,), install_in_tree=True, start="node packages/a/server.js")
    reads = "require('b');" + SAYS_WORD
    files = {"package.json": PACKAGE, "packages/a/server.js": reads}

    assert await ask(await yard.start(await yard.build(files, plan), "d1")) == (200, "installed")
    built = await yard.build(files, dataclasses.replace(plan, build="test -d packages/a/node_modules/b"))
    assert await ask(await yard.start(built, "d2")) == (200, "installed")


@pytest.mark.parametrize("files", [3, 1200])
async def test_an_instance_may_change_its_files_however_many_there_are(yard: Yard, files: int, engine: Any) -> None:
    many = {f"folder/{number % 7}/{number}.txt": "as committed" for number in range(files)}
    tries = (
        "import pathlib\n"
        'pathlib.Path("app.py").unlink()\n'
        'pathlib.Path("folder/1/new.txt").write_text("new")\n'
        'pathlib.Path("folder/1/1.txt").unlink()\n'
        'pathlib.Path("store.sqlite3").write_text("written")\n'
    )
    artifact = await yard.build({"app.py": tries + HELLO, "store.sqlite3": "committed", **many})

    one = await yard.start(artifact, "d1")
    two = await yard.start(artifact, "d2")

    assert [await ask(each) for each in (one, two)] == [(200, "hello")] * 2
    kinds = {each["Type"] for each in engine.inspect_container(one.id)["Mounts"] if each["Destination"] == "/app"}
    assert kinds == ({"volume"} if files > 1000 else {"bind"})
    assert artifact.path is not None
    assert (Path(artifact.path) / "folder" / "1" / "1.txt").read_text() == "as committed"
    assert (Path(artifact.path) / "store.sqlite3").read_text() == "committed"


async def test_volumes_go_with_their_instance(yard: Yard, engine: Any) -> None:
    many = {f"{number}.txt": "" for number in range(1200)}
    instance = await yard.start(await yard.build({"app.py": HELLO, **many}))
    home = engine.inspect_container(instance.id)["Config"]["Labels"]["slipway.home"]
    assert len(engine.volumes(filters={"label": f"slipway.home={home}"})["Volumes"]) == 1

    await yard.runner.stop(instance)

    assert not engine.volumes(filters={"label": f"slipway.home={home}"})["Volumes"]
    assert list((yard.folder / "home" / "instances").iterdir()) == []


async def test_dependencies_are_shared_and_can_not_be_changed_by_an_instance(yard: Yard) -> None:
    spoils = SERVER + (
        "def answer(path):\n"
        "    try:\n"
        '        pathlib.Path("/deps/venv/pyvenv.cfg").write_text("")\n'
        "    except OSError as error:\n"
        "        return 200, type(error).__name__.encode()\n"
        '    return 200, b"changed"\n\n'
        'serve("0.0.0.0", int(os.environ["PORT"]))\n'
    )
    plan = dataclasses.replace(PYTHON, install=("true",))

    instance = await yard.start(await yard.build({"app.py": spoils}, plan))

    assert await ask(instance) == (200, "OSError")


async def test_a_layer_goes_with_the_last_artifact_that_needs_it(yard: Yard) -> None:
    plan = dataclasses.replace(PYTHON, install=("true",))
    one, two = await yard.build({"app.py": HELLO}, plan), await yard.build({"app.py": HELLO + "#"}, plan)
    assert one.deps is not None and one.deps == two.deps

    await yard.runner.forget(one)
    assert Path(one.deps).is_dir()
    await yard.runner.forget(two)

    assert not Path(one.deps).exists()


async def test_scopes_share_neither_layers_nor_caches(yard: Yard) -> None:
    plan = dataclasses.replace(PYTHON, install=("ls /caches && touch /caches/mark",))
    here = a_source(yard.folder, {"app.py": HELLO}, plan, scope="here")
    there = a_source(yard.folder, {"app.py": HELLO}, plan, scope="there")

    one = await yard.runner.build(here, Limits(), yard.log)
    two = await yard.runner.build(there, Limits(), yard.log)

    assert one.deps != two.deps
    assert "mark" not in [line for line in yard.log.text.splitlines() if not line.startswith("$")]


async def test_certificates_are_there_and_named_in_installs_builds_and_at_run_time(
    new_runner: NewRunner, tmp_path: Path
) -> None:
    bundle = tmp_path / "company.pem"
    bundle.write_text("the company's authority\n")
    yard = Yard(new_runner(certificates=bundle), tmp_path)
    looks = "for v in SSL_CERT_FILE NODE_EXTRA_CA_CERTS REQUESTS_CA_BUNDLE PIP_CERT; do eval cat \\$$v; done"
    shows = SERVER + (
        'def answer(path):\n    return 200, pathlib.Path(os.environ["SSL_CERT_FILE"]).read_bytes()\n\n'
        'serve("0.0.0.0", int(os.environ["PORT"]))\n'
    )
    plan = dataclasses.replace(PYTHON, install=(looks,), build=looks)

    instance = await yard.start(await yard.build({"app.py": shows}, plan))

    assert yard.log.text.count("the company's authority") == 8
    assert await ask(instance) == (200, "the company's authority\n")


async def test_builds_run_as_nobody_with_limits_and_without_capabilities(yard: Yard) -> None:
    groups = "/sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes"
    looks = f"id -u; grep CapBnd /proc/self/status; cat {groups} || true"
    source = a_source(yard.folder, {"app.py": HELLO}, dataclasses.replace(PYTHON, build=looks))

    await yard.runner.build(source, Limits(memory=300 * 2**20), yard.log)

    assert "\n0\n" not in yard.log.text
    assert "CapBnd:\t0000000000000000" in yard.log.text
    assert str(300 * 2**20) in yard.log.text


async def test_a_build_that_runs_out_of_memory_says_so(yard: Yard) -> None:
    plan = dataclasses.replace(PYTHON, build="python3 -c 'x = b\"x\" * (400 << 20)'")
    source = a_source(yard.folder, {"app.py": HELLO}, plan)

    with pytest.raises(BuildFailed, match="memory"):
        await yard.runner.build(source, Limits(memory=64 * 2**20), yard.log)


async def test_an_error_in_an_install_is_named_as_seen_from_the_tree(yard: Yard) -> None:
    plan = dataclasses.replace(PYTHON, root="api", manifests=("setup.py",), install=("python3 setup.py",))

    with pytest.raises(BuildFailed) as failed:
        await yard.build({"api/setup.py": "x = 1\nx.nothing\n"}, plan)

    assert (failed.value.path, failed.value.line) == ("api/setup.py", 2)


async def test_two_commits_at_once_install_their_common_dependencies_once(yard: Yard) -> None:
    plan = dataclasses.replace(PYTHON, install=("echo installing now",))
    logs = [Lines(), Lines()]

    await asyncio.gather(*(yard.build({"app.py": HELLO, "n": str(n)}, plan, log) for n, log in enumerate(logs)))

    assert all(log.text.count("\ninstalling now") == 1 for log in logs)
    assert len(list((yard.folder / "home" / "deps").glob("*/*"))) == 1


async def test_who_owns_a_file_outside_is_who_runs_inside(runner: DockerRunner, tmp_path: Path) -> None:
    engine: Engine = runner._engine
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to("/etc/passwd")
    owner = Path("/etc/passwd").stat().st_uid

    await engine.give(tmp_path / "folder")

    assert (tmp_path / "folder").stat().st_uid == await engine.uid()
    assert Path("/etc/passwd").stat().st_uid == owner


async def test_a_tree_that_is_read_only_is_built_and_run_all_the_same(yard: Yard) -> None:
    plan = dataclasses.replace(PYTHON, build="mkdir folder/made && echo built >>folder/notes.txt")
    source = a_source(yard.folder, {"app.py": WRITER, "folder/notes.txt": "as committed\n"}, plan)
    paths = [source.path, *source.path.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)

    try:
        instance = await yard.start(await yard.runner.build(source, Limits(), yard.log))
        plain = await yard.start(await yard.build({"app.py": WRITER, "folder/notes.txt": "as committed\n"}), "d2")
    finally:
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)

    assert await ask(instance) == (200, "written")
    assert await ask(plain) == (200, "written")
