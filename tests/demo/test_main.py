"""Run alone, as a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from demo.github.__main__ import main
from tests.contract import ROOT


@pytest.mark.slow
def test_it_runs_alone_with_the_sample_apps_and_stops_when_told(tmp_path: Path) -> None:
    words = ["--port", "0", "--secret", "s", "--folder", str(tmp_path / "github")]
    with subprocess.Popen(
        [sys.executable, "-m", "demo.github", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        text = httpx.get(url).text
        process.terminate()
        assert process.wait(20) == 0
    assert "demo/flask-api" in text and "demo/static-page" in text


def test_a_folder_that_is_in_use_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "something").touch()
    assert main(["--secret", "s", "--folder", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
