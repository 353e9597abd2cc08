"""The way into a container, where the program does not listen as it was asked to."""

from __future__ import annotations

from typing import Any

import pytest

from runners.base import Plan, StartFailed
from runners.docker import DockerRunner, doors
from tests.runners.apps import HARD_CODED, LOCAL_ONLY, SERVER, Lines, Yard, ask

pytestmark = pytest.mark.docker

NODE = Plan(language="node", kind="server", start="node server.js")
METRICS_FIRST = SERVER + (
    "import threading\n"
    'threading.Thread(target=serve, args=("0.0.0.0", 9100), daemon=True).start()\n'
    "time.sleep({seconds})\n"
    'serve("0.0.0.0", int(os.environ["PORT"]))\n'
)


async def test_a_node_program_on_loopback_is_reached(yard: Yard) -> None:
    server = "require('http').createServer((_, a) => a.end('hello')).listen(process.env.PORT, '127.0.0.1')\n"

    instance = await yard.start(await yard.build({"server.js": server}, NODE))

    assert await ask(instance) == (200, "hello")


async def test_large_bodies_pass_the_forwarder(yard: Yard) -> None:
    program = LOCAL_ONLY.replace('" ".join(sys.argv[1:]).encode()', 'b"x" * 3_000_000')

    status, body = await ask(await yard.run(program))

    assert (status, len(body)) == (200, 3_000_000)


async def test_a_port_that_opens_a_little_earlier_is_not_taken_for_the_right_one(yard: Yard) -> None:
    instance = await yard.run(METRICS_FIRST.replace("{seconds}", "0.1"))

    assert instance.port == 8080


@pytest.mark.parametrize("program", [LOCAL_ONLY, HARD_CODED.format(port=5000)])
async def test_where_the_kernel_can_not_be_read_the_engine_is_asked(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(doors.Doors, "_is_local", lambda _door: False)

    assert await ask(await yard.run(program)) == (200, "hello")


async def test_a_program_that_can_not_be_reached_is_told_how_to_listen(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "_INTERPRETERS", "false")

    with pytest.raises(StartFailed) as failed:
        await yard.start(await yard.build({"app.py": LOCAL_ONLY}), seconds=2)

    assert "127.0.0.1" in str(failed.value)
    assert "0.0.0.0" in failed.value.hint


async def test_the_port_is_known_again_after_a_restart_of_ours(yard: Yard, runner: DockerRunner) -> None:
    instance = await yard.run(HARD_CODED.format(port=5000))

    assert instance.port == 5000
    assert await runner.instances() == [instance]


async def test_the_log_of_a_start_comes_in_whole_lines(yard: Yard, engine: Any) -> None:
    class Whole(Lines):
        def write(self, text: str) -> None:
            assert text.endswith("\n")
            super().write(text)

    yard.log = Whole()
    slow = (
        "import sys, time\n"
        "for letter in 'abc':\n"
        "    sys.stdout.write(letter)\n"
        "    sys.stdout.flush()\n"
        "    time.sleep(0.05)\n"
    )

    with pytest.raises(StartFailed):
        await yard.run(slow)

    assert "abc\n" in yard.log.text
