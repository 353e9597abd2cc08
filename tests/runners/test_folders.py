"""Folders appear whole or not at all, and keys name what goes into them."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from pathlib import Path

import pytest

from runners.base import BuildFailed, Plan, Source
from runners.base.folders import (
    Folders,
    artifact_key,
    copy_tree,
    deps_key,
    directory,
    lay_manifests,
    making,
    read_inside,
    remove,
)
from tests.runners.apps import a_source

FILES = {"requirements.txt": "flask\n", "app.py": "print()\n"}
PLAN = Plan(language="python", kind="server", manifests=("requirements.txt",), install=("uv pip install",))


def source(folder: Path, plan: Plan = PLAN, **files: str) -> Source:
    return a_source(folder, {**FILES, **{name.replace("_", "."): text for name, text in files.items()}}, plan)


def test_a_folder_appears_when_it_is_finished(tmp_path: Path) -> None:
    final = tmp_path / "deps" / "scope" / "key"

    with making(final) as part:
        (part / "file").write_text("made")
        assert not final.exists()

    assert [path.name for path in final.parent.iterdir()] == ["key"]
    assert (final / "file").read_text() == "made"


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), making(tmp_path / "deps" / "key") as part:
        (part / "file").write_text("half")
        raise ValueError("no")

    assert list((tmp_path / "deps").iterdir()) == []


def test_of_two_that_make_the_same_the_first_one_stays(tmp_path: Path) -> None:
    with making(tmp_path / "key") as slow:
        (slow / "file").write_text("slow")
        with making(tmp_path / "key") as fast:
            (fast / "file").write_text("fast")

    assert (tmp_path / "key" / "file").read_text() == "fast"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_folder_that_can_not_get_its_name_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError), making(tmp_path / "key") as part:
        remove(part)


def test_what_a_crash_left_is_swept(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    for path in (folders.deps("s", "k.1.part"), folders.artifact("s", "k.2.part"), folders.deps("s", "whole")):
        path.mkdir(parents=True)

    folders.sweep()

    assert sorted(path.name for path in tmp_path.glob("*/*/*")) == ["whole"]


def test_the_layer_is_named_by_manifests_and_not_by_code(tmp_path: Path) -> None:
    key = deps_key(source(tmp_path), "3.11")

    assert deps_key(source(tmp_path, app_py="print(2)\n"), "3.11") == key
    assert deps_key(source(tmp_path), "3.12") != key
    assert deps_key(source(tmp_path, requirements_txt="django\n"), "3.11") != key
    assert deps_key(source(tmp_path, dataclasses.replace(PLAN, install=("other",))), "3.11") != key
    assert deps_key(source(tmp_path, dataclasses.replace(PLAN, files={"made.txt": "1"})), "3.11") != key


def test_the_layer_is_named_by_the_tree_when_the_install_step_sees_it(tmp_path: Path) -> None:
    whole = dataclasses.replace(PLAN, install_in_tree=True)

    assert deps_key(source(tmp_path, whole), "3.11") != deps_key(source(tmp_path, whole, app_py="2"), "3.11")


def test_the_artifact_is_named_by_tree_plan_and_layer(tmp_path: Path) -> None:
    keys = {
        artifact_key(source(tmp_path), "layer"),
        artifact_key(source(tmp_path), None),
        artifact_key(source(tmp_path, app_py="2"), "layer"),
        artifact_key(source(tmp_path, dataclasses.replace(PLAN, start="other")), "layer"),
    }

    assert len(keys) == 4


def test_an_artifact_remembers_where_its_files_are(tmp_path: Path) -> None:
    artifact = directory(source(tmp_path), tmp_path / "files", tmp_path / "layer")

    assert (artifact.path, artifact.deps) == (str(tmp_path / "files"), str(tmp_path / "layer"))
    assert artifact.the_plan() == PLAN
    assert artifact.digest.startswith("sha256:")
    assert type(artifact).from_json(artifact.as_json()) == artifact


def test_the_install_step_gets_the_manifests_only(tmp_path: Path) -> None:
    plan = dataclasses.replace(PLAN, manifests=("requirements.txt", "sub/more.txt"), files={"sub/made.txt": "made"})
    tree = a_source(tmp_path, {**FILES, "sub/more.txt": "more"}, plan)

    lay_manifests(tree, tmp_path / "layer")

    laid = {str(path.relative_to(tmp_path / "layer")) for path in (tmp_path / "layer").rglob("*") if path.is_file()}
    assert laid == {"requirements.txt", "sub/more.txt", "sub/made.txt"}


def test_the_install_step_gets_the_whole_root_when_it_needs_it(tmp_path: Path) -> None:
    plan = dataclasses.replace(PLAN, root="api", install_in_tree=True)
    tree = a_source(tmp_path, {"api/requirements.txt": "", "api/lib/code.py": "", "else.txt": ""}, plan)

    lay_manifests(tree, tmp_path / "layer")

    assert sorted(path.name for path in (tmp_path / "layer").iterdir()) == ["lib", "requirements.txt"]


def test_a_manifest_that_leads_out_of_the_tree_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "requirements.txt").symlink_to("../secret")

    with pytest.raises(BuildFailed, match="leads out") as refused:
        read_inside(tmp_path / "tree", "requirements.txt")
    assert refused.value.path == "requirements.txt"


def test_a_manifest_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"requirements\.txt can't be read"):
        read_inside(tmp_path, "requirements.txt")


def test_a_copy_keeps_links_modes_and_what_was_there(tmp_path: Path) -> None:
    tree, target = tmp_path / "tree", tmp_path / "target"
    (tree / "sub").mkdir(parents=True)
    (tree / "run.sh").write_text("#!/bin/sh\n")
    (tree / "run.sh").chmod(0o755)
    (tree / "link").symlink_to("/etc/passwd")
    target.mkdir()
    (target / "before").write_text("kept")

    copy_tree(tree, target)

    assert os.access(target / "run.sh", os.X_OK)
    assert (target / "link").readlink() == Path("/etc/passwd")
    assert (target / "before").read_text() == "kept"
    (target / "run.sh").write_text("changed")
    assert (tree / "run.sh").read_text() == "#!/bin/sh\n"


def test_a_missing_folder_is_removed_without_a_word_and_its_parent_stays_as_it_is(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    parent.mkdir(mode=0o755)

    remove(parent / "missing")

    assert parent.stat().st_mode & 0o777 == 0o755


def test_a_link_is_removed_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "link").symlink_to(tmp_path / "kept")

    remove(tmp_path / "link")
    remove(tmp_path / "folder")

    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_what_is_read_only_is_removed_all_the_same() -> None:
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "folder"
        (folder / "a" / "b").mkdir(parents=True)
        (folder / "a" / "b" / "file").write_text("x")
        for path in (folder / "a" / "b" / "file", folder / "a" / "b", folder / "a"):
            path.chmod(0)
        root = os.geteuid() == 0
        if root:  # to whom nothing is read-only
            os.chown(top, 65534, -1)
            for path in (folder, folder / "a", folder / "a" / "b"):
                os.chown(path, 65534, -1)
            os.seteuid(65534)
        try:
            remove(folder)
        finally:
            if root:
                os.seteuid(0)

        assert not folder.exists()


def test_what_is_very_deep_is_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    deepest = os.open(top, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=deepest)
        inner = os.open("d", os.O_RDONLY, dir_fd=deepest)
        os.close(deepest)
        deepest = inner
    os.close(deepest)

    remove(top)

    assert not top.exists()
