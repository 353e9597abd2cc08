"""The release command is what a Procfile says, run from where the Procfile lies; nobody guesses one."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.base import Plan
from runners.frameworks import Tree, detect

FLASK = "from flask import Flask\napp = Flask(__name__)\n"
MIGRATE = "python manage.py migrate"
BOTH = f"web: python app.py\nrelease: {MIGRATE}  \n"


def plan(folder: Path, **files: str) -> Plan:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_py", ".py").replace("_html", ".html")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return detect(Tree.read(folder))


@pytest.mark.parametrize("procfile", [BOTH, f"release: {MIGRATE}\n", f"release:{MIGRATE}\r\n"])
def test_it_is_taken_as_written_with_or_without_a_web_line(tmp_path: Path, procfile: str) -> None:
    found = plan(tmp_path, app_py=FLASK, Procfile=procfile)

    assert found.release == MIGRATE
    assert found.why["release"] == "Procfile says release:"


def test_it_runs_at_the_top_when_the_service_lies_below(tmp_path: Path) -> None:
    procfile = f"web: cd back/end && python app.py\nrelease: cd back/end && {MIGRATE}\n"

    found = plan(tmp_path, back__end__app_py=FLASK, Procfile=procfile)

    assert (found.root, found.start) == ("back/end", "python app.py")
    assert found.release == f"cd ../.. && cd back/end && {MIGRATE}"


def test_a_procfile_beside_the_service_means_the_services_folder(tmp_path: Path) -> None:
    found = plan(tmp_path, backend__app_py=FLASK, backend__Procfile=BOTH)

    assert (found.root, found.release) == ("backend", MIGRATE)


def test_an_image_of_the_projects_own_has_one_too(tmp_path: Path) -> None:
    assert plan(tmp_path, Dockerfile="FROM scratch\nCMD x\n", Procfile=f"release: {MIGRATE}\n").release == MIGRATE


def test_pages_that_are_served_as_they_are_have_none(tmp_path: Path) -> None:
    assert plan(tmp_path, index_html="<p>hello", Procfile=f"release: {MIGRATE}\n").release is None


def test_nobody_guesses_one(tmp_path: Path) -> None:
    found = plan(tmp_path, app_py=FLASK, shop__migrations__0001_initial_py="", Procfile="web: python app.py\n")

    assert found.release is None


def test_another_command_is_another_plan_and_none_is_the_plan_of_before(tmp_path: Path) -> None:
    without = plan(tmp_path, app_py=FLASK, Procfile="web: python app.py\n")

    digests = {without.digest, *(plan(tmp_path, Procfile=f"web: python app.py\nrelease: {x}\n").digest for x in "ab")}

    assert len(digests) == 3
