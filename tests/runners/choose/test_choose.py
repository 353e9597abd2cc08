"""Scanners run where it is quick, as long as nothing gets out of there."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import pytest

from runners import choose
from runners.base import Unavailable
from runners.docker.locked import DockerBox
from runners.process import locked
from runners.process.locked import ProcessBox


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An engine that sees our files, and how often it was asked."""
    asked: list[str] = []

    async def ready(_: DockerBox) -> None:
        asked.append("ready")

    monkeypatch.setattr(DockerBox, "ready", ready)
    return asked


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ready(_: DockerBox) -> None:
        raise Unavailable("nobody answers")

    monkeypatch.setattr(DockerBox, "ready", ready)


def kernel_gives(monkeypatch: pytest.MonkeyPatch, *grounds: locked._Ground) -> None:
    """Instead of what it gives here."""
    monkeypatch.setattr(locked, "_grounds", lambda: list(grounds))


@pytest.mark.parametrize("kind", ["auto", "docker", "process"])
async def test_namespaces_are_chosen_whatever_runs_previews(
    kind: Literal["auto", "docker", "process"], tmp_path: Path, engine: list[str]
) -> None:
    if not await ProcessBox().isolates():
        pytest.skip("the kernel gives no namespaces here")
    box = await choose.box(kind, tmp_path)
    assert box.name == "process, namespaces of its own"
    assert engine == []


@pytest.mark.parametrize("kind", ["auto", "docker"])
async def test_without_them_containers_are(
    kind: Literal["auto", "docker"], tmp_path: Path, engine: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel_gives(monkeypatch)
    box = await choose.box(kind, tmp_path)
    await box.close()
    assert (box.name, engine) == ("docker", ["ready"])


async def test_a_network_of_its_own_is_not_enough(
    tmp_path: Path, engine: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel_gives(monkeypatch, *locked._grounds()[1:])
    box = await choose.box("auto", tmp_path)
    await box.close()
    assert (box.name, engine) == ("docker", ["ready"])


async def test_namespaces_with_all_rights_are_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = locked._grounds()[:1]
    kernel_gives(monkeypatch, *(locked._Ground(one.words, one.enter, (), one.sealed, one.offline) for one in whole))
    assert not await ProcessBox().isolates()


@pytest.mark.usefixtures("no_engine")
async def test_with_neither_only_limits_hold_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kernel_gives(monkeypatch)
    with caplog.at_level(logging.WARNING):
        box = await choose.box("auto", tmp_path)
    assert box.name == "process, limits only"
    assert "only limits hold scanners" in caplog.text
    assert "nobody answers" in caplog.text


async def test_who_wants_processes_has_no_engine_asked(
    tmp_path: Path, engine: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kernel_gives(monkeypatch)
    with caplog.at_level(logging.WARNING):
        box = await choose.box("process", tmp_path)
    assert (box.name, engine) == ("process, limits only", [])
    assert "only limits hold scanners" in caplog.text
