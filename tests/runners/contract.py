"""What every backend promises.  `test_contract.py` runs these over each of them, with its fixtures."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable

import pytest

from runners.base import BuildFailed, Gone, Limits, Plan, RunFailed, Runner, StartFailed
from runners.health import probe
from runners.ports import free_port
from tests.runners.apps import (
    BROKEN,
    BUSY,
    CRASHES,
    ENVIRONMENT,
    FORKS,
    HARD_CODED,
    HELLO,
    IGNORES_TERM,
    KEEPS_ROWS,
    LOCAL_ONLY,
    NO_FRONT_PAGE,
    PYTHON,
    SILENT,
    WARMING_UP,
    WRITER,
    Lines,
    Yard,
    a_source,
    ask,
)

Another = Callable[[], Awaitable[Runner]]


class Building:
    async def test_the_same_tree_is_built_once_and_keeps_its_digest(self, yard: Yard) -> None:
        plan = dataclasses.replace(PYTHON, build="echo building now > made.txt && cat made.txt")
        first, second = Lines(), Lines()

        one = await yard.build({"app.py": HELLO}, plan, first)
        two = await yard.build({"app.py": HELLO}, plan, second)

        assert one == two
        assert first.text.count("building now") >= 1
        assert "building now" not in second.text

    async def test_another_tree_or_plan_has_another_digest(self, yard: Yard) -> None:
        plan = dataclasses.replace(PYTHON, start="python app.py other")

        digests = {
            (await yard.build({"app.py": HELLO})).digest,
            (await yard.build({"app.py": HELLO + "#"})).digest,
            (await yard.build({"app.py": HELLO}, plan)).digest,
        }

        assert len(digests) == 3

    async def test_two_builds_of_one_tree_at_once_give_one_artifact(self, yard: Yard) -> None:
        plan = dataclasses.replace(PYTHON, build="echo building now")
        logs = [Lines(), Lines()]

        one, two = await asyncio.gather(*(yard.build({"app.py": HELLO}, plan, log) for log in logs))

        assert one == two

    async def test_a_build_goes_on_when_the_one_it_waited_for_is_cancelled(self, yard: Yard) -> None:
        plan = dataclasses.replace(PYTHON, build="sleep 0.5; echo built")
        first = asyncio.create_task(yard.build({"app.py": HELLO}, plan))
        second = asyncio.create_task(yard.build({"app.py": HELLO}, plan))
        await asyncio.wait([first], timeout=0.2)
        first.cancel()

        artifact = await second

        assert artifact.the_plan() == plan
        assert (await asyncio.gather(first, return_exceptions=True))[0].__class__ is asyncio.CancelledError

    async def test_a_build_that_fails_says_which_step_and_keeps_its_log(self, yard: Yard) -> None:
        plan = dataclasses.replace(PYTHON, build="echo compiling; exit 3")

        with pytest.raises(BuildFailed) as failed:
            await yard.build({"app.py": HELLO}, plan)

        assert failed.value.step == "build"
        assert "3" in str(failed.value)
        assert "compiling" in yard.log.text

    async def test_an_install_that_fails_says_so_and_a_later_one_starts_anew(self, yard: Yard) -> None:
        plan = dataclasses.replace(PYTHON, install=("echo fetching; exit 4",))

        for _ in range(2):
            with pytest.raises(BuildFailed) as failed:
                await yard.build({"app.py": HELLO}, plan)

            assert failed.value.step == "install"
        assert yard.log.text.count("fetching") >= 2

    async def test_a_build_error_names_the_file_and_line(self, yard: Yard) -> None:
        plan = dataclasses.replace(PYTHON, build="python make.py")

        with pytest.raises(BuildFailed) as failed:
            await yard.build({"make.py": "x = 1\ny = x.nothing\n"}, plan)

        assert (failed.value.path, failed.value.line) == ("make.py", 2)
        assert "nothing" in str(failed.value)

    async def test_a_build_that_takes_too_long_is_ended(self, yard: Yard) -> None:
        source = a_source(yard.folder, {"app.py": HELLO}, dataclasses.replace(PYTHON, build="sleep 60"))

        with pytest.raises(BuildFailed, match="1 s"):
            await yard.runner.build(source, Limits(seconds=1), yard.log)

    async def test_a_build_leaves_the_pristine_tree_alone(self, yard: Yard) -> None:
        plan = dataclasses.replace(PYTHON, build="echo changed > app.py; echo new > new.txt")
        source = a_source(yard.folder, {"app.py": HELLO}, plan)

        await yard.runner.build(source, Limits(seconds=60), yard.log)

        assert {path.name: path.read_text() for path in source.path.iterdir()} == {"app.py": HELLO}

    async def test_a_static_site_that_is_built_is_a_directory(self, yard: Yard) -> None:
        plan = Plan(language="python", kind="static", build="mkdir dist && cp page dist/index.html", static_dir="dist")

        artifact = await yard.build({"page": "<p>hello"}, plan)

        assert artifact.kind == "directory" and artifact.path is not None
        assert (yard.folder / artifact.path / "index.html").read_text() == "<p>hello"

    async def test_a_static_site_as_it_lies_is_served_from_the_tree(self, yard: Yard) -> None:
        plan = Plan(language="static", kind="static", root="site", static_dir=".")
        source = a_source(yard.folder, {"site/index.html": "<p>hello"}, plan)

        artifact = await yard.runner.build(source, Limits(), yard.log)

        assert artifact.path == str(source.path / "site")

    @pytest.mark.parametrize("folder", ["dist", "../..", "/etc"])
    async def test_a_missing_or_foreign_output_folder_is_named(self, yard: Yard, folder: str) -> None:
        plan = Plan(language="python", kind="static", build="echo done", static_dir=folder)

        with pytest.raises(BuildFailed) as failed:
            await yard.build({"page": "<p>hello"}, plan)

        assert folder in str(failed.value)

    async def test_what_is_forgotten_is_built_again(self, yard: Yard) -> None:
        plan = dataclasses.replace(PYTHON, build="echo building now")
        artifact = await yard.build({"app.py": HELLO}, plan)
        again = Lines()

        await yard.runner.forget(artifact)
        await yard.runner.forget(artifact)

        assert await yard.build({"app.py": HELLO}, plan, again) == artifact
        assert "building now" in again.text or artifact.kind == "image"


class Starting:
    async def test_a_start_line_runs_as_written(self, yard: Yard) -> None:
        instance = await yard.run(HELLO)

        assert await ask(instance) == (200, "hello")
        assert (instance.deployment, instance.runner) == ("d1", yard.runner.name)
        assert await yard.runner.healthy(instance)

    async def test_a_start_line_may_use_the_shell_and_the_port(self, yard: Yard) -> None:
        plan = dataclasses.replace(PYTHON, start='echo "port $PORT" && python app.py "$WORD two"')
        artifact = await yard.build({"app.py": HELLO}, plan)

        instance = await yard.start(artifact, env={"WORD": "one"})

        assert await ask(instance) == (200, "one two")

    async def test_the_root_of_the_plan_is_where_it_runs(self, yard: Yard) -> None:
        plan = dataclasses.replace(
            PYTHON, root="api", build="echo word > word.txt", start="python app.py $(cat word.txt)"
        )

        instance = await yard.start(await yard.build({"api/app.py": HELLO, "other.txt": ""}, plan))

        assert await ask(instance) == (200, "word")

    async def test_the_environment_of_the_plan_gives_way_to_that_of_the_launch(self, yard: Yard) -> None:
        plan = dataclasses.replace(PYTHON, start="python app.py $ONE $TWO", env={"ONE": "1", "TWO": "2"})

        instance = await yard.start(await yard.build({"app.py": HELLO}, plan), env={"TWO": "two"})

        assert await ask(instance) == (200, "1 two")

    async def test_a_program_that_ignores_the_port_is_found(self, yard: Yard) -> None:
        port = free_port()

        instance = await yard.run(HARD_CODED.format(port=port))

        assert instance.port == port
        assert await ask(instance) == (200, "hello")

    async def test_a_program_that_listens_on_loopback_only_is_reached(self, yard: Yard) -> None:
        assert await ask(await yard.run(LOCAL_ONLY)) == (200, "hello")

    async def test_a_program_is_live_only_when_it_answers_below_500(self, yard: Yard) -> None:
        assert await ask(await yard.run(WARMING_UP)) == (200, "warm")

    async def test_no_front_page_is_healthy_enough(self, yard: Yard) -> None:
        assert (await ask(await yard.run(NO_FRONT_PAGE)))[0] == 404

    async def test_a_program_that_ends_at_once_fails_with_the_end_of_its_log(self, yard: Yard) -> None:
        with pytest.raises(StartFailed) as failed:
            await yard.run(CRASHES)

        assert failed.value.step == "start"
        assert "no DATABASE_URL was given" in yard.log.text
        assert await yard.runner.instances() == []

    async def test_a_program_that_never_listens_fails_in_time(self, yard: Yard) -> None:
        artifact = await yard.build({"app.py": SILENT})

        with pytest.raises(StartFailed, match="port"):
            await yard.start(artifact, seconds=2)

        assert "thinking" in yard.log.text
        assert await yard.runner.instances() == []

    async def test_a_program_that_answers_only_errors_fails_and_the_error_is_told(self, yard: Yard) -> None:
        artifact = await yard.build({"app.py": BROKEN})

        with pytest.raises(StartFailed, match="500"):
            await yard.start(artifact, seconds=2)

        assert await yard.runner.instances() == []

    async def test_nothing_of_our_own_environment_leaks(self, yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", "canary-in-the-mine")

        instance = await yard.run(ENVIRONMENT, env={"GIVEN": "yes"})

        seen = json.loads((await ask(instance))[1])
        assert "canary-in-the-mine" not in json.dumps(seen)
        assert seen["GIVEN"] == "yes"
        assert seen["PORT"].isdigit() and seen["HOST"]

    async def test_a_build_sees_nothing_of_our_own_environment(
        self, yard: Yard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GITHUB_PRIVATE_KEY", "canary-in-the-mine")

        await yard.build({"app.py": HELLO}, dataclasses.replace(PYTHON, install=("env",), build="env"))

        assert "PATH=" in yard.log.text
        assert "canary-in-the-mine" not in yard.log.text

    async def test_rows_in_a_sqlite_file_are_its_own_and_go_with_it(self, yard: Yard) -> None:
        artifact = await yard.build({"app.py": KEEPS_ROWS, "shop.db": ""})
        one, two = await yard.start(artifact, "d1"), await yard.start(artifact, "d2")

        assert [(await ask(one, "/visit"))[1] for _ in range(3)] == ["1", "2", "3"]
        assert (await ask(two, "/visit"))[1] == "1"
        await yard.runner.stop(one)
        assert (await ask(await yard.start(artifact, "d1"), "/visit"))[1] == "1"

    async def test_what_it_writes_stays_its_own(self, yard: Yard) -> None:
        artifact = await yard.build({"app.py": WRITER})
        source = a_source(yard.folder, {"app.py": WRITER})
        first = await yard.start(artifact, "d1")

        assert await ask(first) == (200, "written")
        second = await yard.start(artifact, "d2")

        assert await ask(second) == (200, "written")
        assert {path.name: path.read_text() for path in source.path.iterdir()} == {"app.py": WRITER}

    @pytest.mark.parametrize("seconds", [0.0, 0.05, 0.5])
    async def test_a_cancelled_start_leaves_nothing(self, yard: Yard, seconds: float) -> None:
        artifact = await yard.build({"app.py": SILENT})

        starting = asyncio.create_task(yard.start(artifact))
        await asyncio.wait([starting], timeout=seconds)
        starting.cancel()

        assert isinstance((await asyncio.gather(starting, return_exceptions=True))[0], asyncio.CancelledError)
        assert await yard.runner.instances() == []


class RunningACommand:
    async def test_it_runs_where_an_instance_would_with_all_it_would_see(self, yard: Yard) -> None:
        plan = dataclasses.replace(PYTHON, root="api", build="echo made > made.txt", env={"ONE": "1", "TWO": "2"})
        artifact = await yard.build({"api/app.py": HELLO, "top.txt": "top\n"}, plan)

        await yard.command(
            artifact, "cat made.txt ../top.txt; python -c 'print(6 * 7)'; echo $ONE $TWO", {"TWO": "two"}
        )

        assert [word for word in ("made", "top", "42", "1 two") if word not in yard.log.text.splitlines()] == []

    async def test_it_leaves_nothing_of_itself(self, yard: Yard) -> None:
        artifact = await yard.build({"app.py": HELLO})

        await yard.command(artifact, "echo changed > app.py; sleep 600 & echo done")

        assert "done" in yard.log.text
        assert await yard.runner.instances() == []
        assert await ask(await yard.start(artifact)) == (200, "hello")

    async def test_one_that_fails_says_how_and_its_log_why(self, yard: Yard) -> None:
        artifact = await yard.build({"app.py": HELLO})

        with pytest.raises(RunFailed, match="exit code 7") as failed:
            await yard.command(artifact, "echo no such table; exit 7")

        assert failed.value.step == "release"
        assert "no such table" in yard.log.text

    async def test_one_that_takes_too_long_is_ended(self, yard: Yard) -> None:
        artifact = await yard.build({"app.py": HELLO})

        with pytest.raises(RunFailed, match="longer than 1 s"):
            await yard.command(artifact, "echo begun; sleep 600", seconds=1)

        assert await yard.runner.instances() == []

    async def test_one_that_is_cancelled_is_ended(self, yard: Yard) -> None:
        port = free_port()
        artifact = await yard.build({"app.py": HELLO})
        text = f"PORT={port} python app.py & echo begun; wait"
        running = asyncio.create_task(yard.command(artifact, text))
        while "begun\n" not in yard.log.text.replace("echo begun", ""):
            await asyncio.sleep(0.02)

        running.cancel()

        assert isinstance((await asyncio.gather(running, return_exceptions=True))[0], asyncio.CancelledError)
        assert await probe("127.0.0.1", port) is None
        assert await yard.runner.instances() == []

    async def test_nothing_of_our_own_environment_leaks_into_it(
        self, yard: Yard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GITHUB_PRIVATE_KEY", "canary-in-the-mine")

        await yard.command(await yard.build({"app.py": HELLO}), "env")

        assert "PATH=" in yard.log.text
        assert "canary-in-the-mine" not in yard.log.text


class Running:
    async def test_exactly_our_own_are_listed(self, yard: Yard, stranger: Another) -> None:
        mine = [await yard.run(HELLO, "d1"), await yard.run(HELLO, "d2")]
        other = await stranger()

        assert sorted(await yard.runner.instances(), key=lambda each: each.deployment) == mine
        assert await other.instances() == []

    async def test_two_of_one_artifact_run_side_by_side(self, yard: Yard) -> None:
        one, two = await yard.run(HELLO, "d1"), await yard.run(HELLO, "d2")

        await yard.runner.stop(one)

        assert (await ask(one))[0] == 0
        assert await ask(two) == (200, "hello")

    async def test_instances_outlive_us_and_are_found_again(self, yard: Yard, successor: Another) -> None:
        instance = await yard.run(HELLO)

        next_one = await successor()

        assert await next_one.instances() == [instance]
        assert await ask(instance) == (200, "hello")
        assert "asked for" in await next_one.logs(instance)
        await next_one.stop(instance)
        assert (await ask(instance))[0] == 0
        assert await next_one.instances() == []

    async def test_stopping_twice_is_stopping_once(self, yard: Yard) -> None:
        instance = await yard.run(HELLO)

        await yard.runner.stop(instance)
        await yard.runner.stop(instance)

        assert await yard.runner.instances() == []
        assert not await yard.runner.healthy(instance)

    async def test_a_program_that_ignores_the_signal_is_ended_all_the_same(self, yard: Yard) -> None:
        instance = await yard.run(IGNORES_TERM)

        await yard.runner.stop(instance)

        assert (await ask(instance))[0] == 0

    async def test_children_end_with_their_parent(self, yard: Yard) -> None:
        near, far = free_port(), free_port()
        instance = await yard.run(FORKS.format(near=near, far=far))
        while not all([await probe(instance.host, port) for port in (near, far)]):
            await asyncio.sleep(0.01)

        await yard.runner.stop(instance)

        assert [await probe(instance.host, port) for port in (near, far, instance.port)] == [None] * 3

    async def test_a_sleeping_one_answers_nothing_until_it_is_woken(self, yard: Yard) -> None:
        instance = await yard.run(HELLO)

        await yard.runner.sleep(instance)
        asleep = await probe(instance.host, instance.port, timeout=0.3)
        await yard.runner.wake(instance)

        assert asleep is None
        assert await ask(instance) == (200, "hello")

    async def test_a_sleeping_one_can_be_stopped_and_then_not_woken(self, yard: Yard) -> None:
        instance = await yard.run(HELLO)
        await yard.runner.sleep(instance)

        await yard.runner.stop(instance)

        assert await yard.runner.instances() == []
        with pytest.raises(Gone):
            await yard.runner.wake(instance)

    async def test_what_it_and_its_ended_children_used_is_counted(self, yard: Yard) -> None:
        instance = await yard.run(BUSY)
        before = await yard.runner.usage(instance)
        if before is None:
            pytest.skip("this system does not tell what programs use")
        assert before.memory > 1_000_000
        assert before.disk > 0

        assert await ask(instance, "/work") == (200, "done")  # a child works for 0.3 s of CPU and ends
        after = await yard.runner.usage(instance)
        assert after is not None
        assert 0.25 < after.cpu_seconds - before.cpu_seconds < 5
        assert (after.life, after.disk) == (before.life, before.disk)

        await yard.runner.sleep(instance)
        asleep = await yard.runner.usage(instance)
        assert asleep is not None
        assert asleep.cpu_seconds >= after.cpu_seconds

        await yard.runner.stop(instance)
        assert await yard.runner.usage(instance) is None

    async def test_the_log_has_the_end_of_what_it_printed(self, yard: Yard) -> None:
        instance = await yard.run(HELLO)
        for number in range(5):
            await ask(instance, f"/page-{number}")

        log = await yard.runner.logs(instance, lines=2)

        assert "page-4" in log and "page-3" in log
        assert "page-2" not in log
