"""The process backend: what it keeps on disk, what it finds again, what it never touches."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runners.base import Artifact, Backing, BuildFailed, Gone, Instance, Limits, Plan, RunFailed, StartFailed
from runners.base.folders import Folders, remove
from runners.isolation import Leader, marks, spawn
from runners.ports import free_port
from runners.process import ProcessRunner, notes, toolchain
from runners.process.layers import attach
from tests.runners.apps import HARD_CODED, HELLO, PYTHON, SERVER, SILENT, Lines, Yard, a_source, ask

SIX_ONLY = SERVER + (
    "import socket\n"
    "class Six(http.server.ThreadingHTTPServer):\n    address_family = socket.AF_INET6\n"
    'Six(("::1", int(os.environ["PORT"])), Handler).serve_forever()\n'
)
TWO_PORTS = SERVER + (
    "import socket, threading\n"
    "early = socket.socket()\nearly.bind(('127.0.0.1', {port}))\nearly.listen()\n"
    "time.sleep(0.5)\n"
    "serve('127.0.0.1', int(os.environ['PORT']))\n"
)
FAKE_NPM = """#!/bin/sh
if [ "$1" = ci ]; then echo 'npm error code EUSAGE'; exit 1; fi
mkdir -p node_modules/lib node_modules/@scope/deep node_modules/.bin packages
echo lib > node_modules/lib/index.js
ln -s ../packages/mine node_modules/mine
"""
NODE = Plan(
    language="node", kind="server", manifests=("package.json",), install=("npm ci",), start="python3 app.py hello"
)


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    runner = ProcessRunner(Folders(tmp_path / "home"), f"home-{tmp_path.name}")
    await runner.ready()
    yield Yard(runner, tmp_path)
    for instance in await runner.instances():
        await runner.stop(instance)
    await runner.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def fake_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node and an npm that need no network."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"node": "#!/bin/sh\necho v20.0.0\n", "npm": FAKE_NPM}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


class TestBuilding:
    async def test_nothing_to_build_points_at_the_pristine_tree(self, yard: Yard) -> None:
        artifact = await yard.build({"app.py": HELLO})

        assert artifact.path == str(a_source(yard.folder, {"app.py": HELLO}).path)

    @pytest.mark.parametrize("language", ["docker", "go", "rust"])
    async def test_what_it_can_not_build_is_refused_with_the_next_step(
        self, yard: Yard, language: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("shutil.which", lambda name: None)  # the machine may have all of them

        with pytest.raises(BuildFailed) as refused:
            await yard.build({}, Plan(language=language, kind="server", start="./run"))

        assert "Docker" in refused.value.hint

    async def test_a_machine_without_node_says_so(self, yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
        toolchain._node.cache_clear()  # another test may have found it
        monkeypatch.setattr("shutil.which", lambda name: None)

        with pytest.raises(BuildFailed, match=r"needs Node\.js"):
            await yard.build({"package.json": "{}"}, NODE)

    async def test_a_python_that_is_not_here_is_replaced_and_told(self, yard: Yard) -> None:
        await yard.build({"app.py": HELLO}, dataclasses.replace(PYTHON, version="2.4"))

        assert "Python 2.4 is not on this machine" in yard.log.text

    async def test_packages_of_the_system_that_it_wants_and_does_not_get_are_told(self, yard: Yard) -> None:
        await yard.build({"app.py": HELLO}, dataclasses.replace(PYTHON, system_packages=("poppler-utils", "ffmpeg")))

        (told,) = (line for line in yard.log.text.splitlines() if "Debian packages" in line)
        assert told.endswith(
            "not installed without Docker; they are here if this machine has them: ffmpeg, poppler-utils."
        )

    async def test_who_wants_no_packages_of_the_system_hears_nothing_of_them(self, yard: Yard) -> None:
        await yard.build({"app.py": HELLO})

        assert "Debian packages" not in yard.log.text

    async def test_programs_of_ours_are_not_on_its_path(self, yard: Yard) -> None:
        asked = "command -v uv; command -v python; command -v slipway || command -v alembic || true"
        await yard.build({}, dataclasses.replace(PYTHON, build=asked))

        found = [line for line in yard.log.text.splitlines() if line.startswith("/")]
        assert len(found) == 2
        assert found[0].endswith("/tools/uv") and found[1].endswith("/venv/bin/python")

    async def test_scripts_in_the_environment_work_after_it_got_its_name(self, yard: Yard, home: Path) -> None:
        """Written the way pip writes them: with the interpreter's path inside."""
        script = (
            'printf "#!$VIRTUAL_ENV/bin/python\\nprint(5)\\n" > $VIRTUAL_ENV/bin/five; chmod +x $VIRTUAL_ENV/bin/five'
        )
        pth = "echo $PWD > $(python -c 'import site; print(site.getsitepackages()[0])')/here.pth"
        plan = dataclasses.replace(
            PYTHON, install=(script, pth), build="five && python -c 'import sys; print(sys.path)'"
        )

        artifact = await yard.build({"app.py": HELLO}, plan)

        assert "\n5\n" in yard.log.text
        assert f"'{artifact.deps}/app'" in yard.log.text
        assert ".part/app'" not in yard.log.text

    async def test_what_a_build_left_running_is_ended(self, yard: Yard) -> None:
        await yard.build({}, dataclasses.replace(PYTHON, build="sleep 61 & setsid sleep 61 & echo done"))

        assert not [mark for mark in marks().values() if mark.startswith(f"home-{yard.folder.name}/")]

    async def test_a_cancelled_build_leaves_neither_processes_nor_folders(self, yard: Yard, home: Path) -> None:
        plan = dataclasses.replace(PYTHON, build="echo under way; sleep 61")
        building = asyncio.create_task(yard.build({"app.py": HELLO}, plan))
        while "\nunder way" not in yard.log.text:
            await asyncio.sleep(0.005)

        building.cancel()
        await asyncio.wait([building])

        assert building.cancelled()
        assert list((home / "artifacts").glob("*/*")) == []
        assert not [mark for mark in marks().values() if mark.startswith(f"home-{yard.folder.name}/")]

    async def test_output_is_passed_on_clean_and_not_without_end(
        self, yard: Yard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("runners.process.steps._MOST", 10_000)
        plan = dataclasses.replace(
            PYTHON, build="printf '\\033[31mred\\033[0m\\n\\377\\n'; yes | head -c 1000000; exit 5"
        )

        with pytest.raises(BuildFailed, match="exit code 5"):
            await yard.build({}, plan)

        assert "\nred\n\ufffd\ny\ny\n" in yard.log.text
        assert len(yard.log.text) < 11_000
        assert yard.log.text.endswith("more than is kept …\n")

    async def test_a_build_of_a_former_life_is_ended(self, yard: Yard) -> None:
        dead = subprocess.Popen(["true"])
        dead.wait()
        mark = f"home-{yard.folder.name}/build-{Leader(dead.pid, 1)}-abcd"
        with Path(os.devnull).open("wb") as out:
            env = {"SLIPWAY_DEPLOYMENT": mark, "PATH": os.environ["PATH"]}
            child = spawn("exec sleep 61", cwd=Path("/"), env=env, limits=Limits(), output=out.fileno())
        while child.leader.pid not in marks():
            await asyncio.sleep(0.005)

        await yard.runner.ready()

        assert await child.wait() == -9


class TestLayers:
    async def test_a_layer_goes_with_the_last_artifact_that_needs_it(self, yard: Yard) -> None:
        one = await yard.build({"app.py": HELLO})
        two = await yard.build({"app.py": HELLO + "#"})
        layer = Path(one.deps or "")

        await yard.runner.forget(one)
        assert layer.is_dir()
        await yard.runner.forget(two)

        assert not layer.exists()
        assert Path(two.path or "").is_dir()

    async def test_only_folders_of_our_own_are_forgotten(self, yard: Yard, home: Path, tmp_path: Path) -> None:
        (tmp_path / "kept").mkdir()
        for path in (str(tmp_path / "kept"), str(home / "artifacts" / ".." / ".." / "kept"), str(home), "/", ""):
            await yard.runner.forget(Artifact("sha256:0", "directory", PYTHON.as_json(), "scope", path=path, deps=path))

        assert (tmp_path / "kept").is_dir() and home.is_dir()

    @pytest.mark.usefixtures("fake_node")
    async def test_a_lock_that_does_not_fit_falls_back_and_says_so(self, yard: Yard) -> None:
        artifact = await yard.build({"package.json": "{}", "app.py": HELLO}, NODE)

        assert "trying without it: npm install" in yard.log.text
        assert await ask(await yard.start(artifact)) == (200, "hello")

    @pytest.mark.usefixtures("fake_node")
    async def test_what_a_build_writes_beside_the_packages_stays_its_own(self, yard: Yard) -> None:
        build = "cat node_modules/lib/index.js; mkdir node_modules/.vite node_modules/@scope/new; touch out.txt"

        artifact = await yard.build({"package.json": "{}", "app.py": HELLO}, dataclasses.replace(NODE, build=build))

        modules = Path(artifact.deps or "") / "app" / "node_modules"
        assert {path.name for path in modules.iterdir()} == {".bin", "@scope", "lib", "mine"}
        assert {path.name for path in (modules / "@scope").iterdir()} == {"deep"}
        files = Path(artifact.path or "")
        assert sorted(path.name for path in files.iterdir()) == ["app.py", "out.txt", "package.json"]

    def test_a_workspace_sees_its_own_packages_and_not_the_layer_s(self, tmp_path: Path) -> None:
        layer, root = tmp_path / "layer", tmp_path / "copy"
        for name in ("app/packages/mine/made.js", "app/node_modules/lib/x.js", "copy/packages/mine/index.js"):
            path = root.parent / name if name.startswith("copy") else layer / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        (layer / "app" / "node_modules" / "mine").symlink_to("../packages/mine")
        (layer / "app" / "prepared.txt").write_text("prepared")

        attach(layer, root, whole=True)

        assert (root / "node_modules" / "mine").resolve() == root / "packages" / "mine"
        assert (root / "node_modules" / "lib").resolve() == layer / "app" / "node_modules" / "lib"
        assert (root / "packages" / "mine" / "made.js").exists()
        assert (root / "prepared.txt").read_text() == "prepared"


class TestStarting:
    async def test_an_address_of_version_six_is_found(self, yard: Yard) -> None:
        instance = await yard.run(SIX_ONLY)

        assert instance.host == "::1"
        assert await ask(instance) == (200, "hello")

    async def test_the_port_that_was_asked_for_is_waited_for_when_another_opens_first(self, yard: Yard) -> None:
        port = free_port()

        instance = await yard.run(TWO_PORTS.format(port=port))

        assert instance.port != port
        assert await ask(instance) == (200, "hello")

    async def test_a_port_that_somebody_has_is_named(self, yard: Yard) -> None:
        with socket.socket() as taken:
            taken.bind(("0.0.0.0", 0))
            taken.listen()
            with pytest.raises(StartFailed, match="taken") as failed:
                await yard.run(HARD_CODED.format(port=taken.getsockname()[1]))

        assert "PORT" in failed.value.hint

    async def test_a_crash_names_the_file_and_line(self, yard: Yard) -> None:
        with pytest.raises(StartFailed) as failed:
            await yard.run("x = 1\nimport flaskk\n")

        assert (failed.value.path, failed.value.line) == ("app.py", 2)
        assert "flaskk" in failed.value.hint

    async def test_a_program_that_goes_to_the_background_is_told_to_stay(self, yard: Yard) -> None:
        plan = dataclasses.replace(PYTHON, start="python app.py & exit 0")
        artifact = await yard.build({"app.py": SILENT}, plan)

        with pytest.raises(StartFailed) as failed:
            await yard.start(artifact)

        assert "foreground" in failed.value.hint
        assert not [mark for mark in marks().values() if mark.startswith(f"home-{yard.folder.name}/")]

    async def test_nothing_to_start_is_refused(self, yard: Yard) -> None:
        artifact = await yard.build({"index.html": ""}, Plan(language="static", kind="static"))

        with pytest.raises(StartFailed):
            await yard.start(artifact)

    async def test_a_failed_start_leaves_no_folder(self, yard: Yard, home: Path) -> None:
        with pytest.raises(StartFailed):
            await yard.run("raise SystemExit(3)")

        assert list((home / "instances").iterdir()) == []

    async def test_a_second_start_of_a_deployment_replaces_the_first(self, yard: Yard) -> None:
        first = await yard.run(HELLO)
        second = await yard.run(HELLO)

        assert await yard.runner.instances() == [second]
        assert (await ask(first))[0] == 0
        await yard.runner.stop(first)
        assert await ask(second) == (200, "hello")

    @pytest.mark.parametrize("deployment", ["", "../d1", "a/b", ".", ".."])
    async def test_a_deployment_is_no_path(self, yard: Yard, deployment: str) -> None:
        artifact = await yard.build({"app.py": HELLO})

        with pytest.raises(ValueError, match="deployment"):
            await yard.start(artifact, deployment)


class TestRunning:
    async def test_a_number_that_was_used_again_is_not_ours(self, yard: Yard, home: Path) -> None:
        stranger = subprocess.Popen(["sleep", "61"], cwd="/", start_new_session=True)
        try:
            stale = Leader(stranger.pid, Leader.of(stranger.pid).started - 1)
            folder = home / "instances" / "d1"
            folder.mkdir(parents=True)
            note = notes.Note(f"home-{yard.folder.name}", "d1", str(stale), "/", "127.0.0.1", 4000)
            note.write(folder)

            assert await yard.runner.instances() == []
            with pytest.raises(Gone):
                await yard.runner.wake(note.instance())
            await yard.runner.stop(note.instance())

            assert stranger.poll() is None
            assert not folder.exists()
        finally:
            stranger.kill()
            stranger.wait()

    async def test_what_we_started_and_did_not_note_is_found(self, yard: Yard, home: Path) -> None:
        """We were killed between the start and the note."""
        instance = await yard.run(HELLO)
        (home / "instances" / "d1" / "instance.json").unlink()

        found = await yard.runner.instances()
        await yard.runner.stop(found[0])

        assert [each.deployment for each in found] == ["d1"]
        assert (await ask(instance))[0] == 0

    async def test_a_command_of_a_life_that_was_killed_is_found_and_can_be_ended(self, yard: Yard, home: Path) -> None:
        artifact = await yard.build({"app.py": HELLO})
        running = asyncio.create_task(yard.command(artifact, "echo begun; sleep 600"))
        while "\nbegun" not in yard.log.text:
            await asyncio.sleep(0.02)

        found = await yard.runner.instances()
        await yard.runner.stop(found[0])

        assert [each.deployment for each in found] == ["d1"]
        assert isinstance((await asyncio.gather(running, return_exceptions=True))[0], RunFailed)
        assert await yard.runner.instances() == []

    async def test_one_whose_folder_is_gone_is_stopped_all_the_same(self, yard: Yard, home: Path) -> None:
        instance = await yard.run(HELLO)
        remove(home / "instances" / "d1")

        await yard.runner.stop(instance)

        assert (await ask(instance))[0] == 0

    @pytest.mark.parametrize("text", ["", "[]", '{"pid": 1}', "null", json.dumps({"home_id": 1})])
    async def test_a_note_that_is_not_ours_is_no_instance(self, yard: Yard, home: Path, text: str) -> None:
        (home / "instances" / "d1").mkdir(parents=True)
        (home / "instances" / "d1" / "instance.json").write_text(text)

        assert await yard.runner.instances() == []

    async def test_one_that_ended_by_itself_is_reaped_and_its_log_kept(self, yard: Yard) -> None:
        instance = await yard.run(HELLO)
        pid = Leader.parse(instance.id).pid
        os.killpg(pid, 9)
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.01)

        assert await yard.runner.instances() == []
        assert not await yard.runner.healthy(instance)
        assert "asked for" in await yard.runner.logs(instance)
        with pytest.raises(Gone):
            await yard.runner.sleep(instance)

    async def test_one_that_lost_its_parent_still_runs(self, yard: Yard) -> None:
        plan = dataclasses.replace(PYTHON, start="python app.py hello; echo ended")
        instance = await yard.start(await yard.build({"app.py": HELLO}, plan))
        os.kill(Leader.parse(instance.id).pid, 9)

        assert await yard.runner.instances() == [instance]
        assert await yard.runner.healthy(instance)
        await yard.runner.stop(instance)

        assert (await ask(instance))[0] == 0

    async def test_a_log_does_not_grow_without_end(
        self, yard: Yard, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(notes, "LONGEST_LOG", 20_000)
        monkeypatch.setattr(notes, "_KEPT", 1_000)
        chatty = HELLO.replace("import http", "print('x' * 50_000, flush=True)\nimport http", 1)
        instance = await yard.run(chatty)
        log = home / "instances" / "d1" / "log"
        while log.stat().st_size > 20_000:
            await asyncio.sleep(0.02)

        await ask(instance, "/last")

        assert log.read_text().startswith("[the beginning was dropped]\n")
        assert "/last" in await yard.runner.logs(instance)

    async def test_an_unknown_instance_has_no_log_and_is_stopped_already(self, yard: Yard) -> None:
        unknown = Instance(id="1:1", deployment="never", runner="process", host="127.0.0.1", port=1)

        assert await yard.runner.logs(unknown) == ""
        assert not await yard.runner.healthy(unknown)
        await yard.runner.stop(unknown)

    async def test_it_says_that_it_isolates_little(self, yard: Yard) -> None:
        assert (yard.runner.name, yard.runner.isolates) == ("process", False)


async def test_two_logs_of_one_build_tell_who_waited(yard: Yard) -> None:
    plan = dataclasses.replace(PYTHON, build="echo building now; sleep 0.2")
    logs = [Lines(), Lines()]

    one, two = await asyncio.gather(*(yard.build({"app.py": HELLO}, plan, log) for log in logs))

    assert one == two
    assert "".join(log.text for log in logs).count("\nbuilding now") == 1
    assert all(log.text for log in logs)


async def test_what_a_killed_life_was_laying_out_is_swept_and_what_runs_is_not(tmp_path: Path) -> None:
    instances = tmp_path / "home" / "instances"
    for name, file in (("half", "app/index.py"), ("noted", "instance.json"), ("boxed", "gate/run")):
        (instances / name / file).parent.mkdir(parents=True)
        (instances / name / file).write_text("{}")
    (instances / "dead").mkdir()
    notes.Note("h", "dead", "1:1", "/").write(instances / "dead")  # no process is as old as that

    ProcessRunner(Folders(tmp_path / "home"), "h").sweep()

    assert sorted(path.name for path in instances.iterdir()) == ["boxed", "noted"]


async def test_a_database_that_is_wanted_and_not_given_is_told(yard: Yard) -> None:
    plan = dataclasses.replace(
        PYTHON, backing=(Backing("postgresql", "db", {"DATABASE_URL": "{url}"}),), prepare="exit 3"
    )
    artifact = await yard.build({"app.py": HELLO}, plan)

    await yard.start(artifact, "d1", {"DATABASE_URL": "postgresql://elsewhere"})
    assert "PostgreSQL" not in yard.log.text
    await yard.start(artifact, "d2")

    assert "It wants PostgreSQL: previews on Docker get one of their own." in yard.log.text
