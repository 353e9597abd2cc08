"""Of a compose file only what makes a preview is taken, whatever else it says."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from runners.base import Plan
from runners.frameworks import Tree, compose, detect, yaml

DOCKERFILE = 'FROM scratch\nEXPOSE 8000\nCMD ["serve"]\n'


def known(folder: Path, compose: str, **files: str) -> Plan:
    (folder / "compose.yaml").write_text(textwrap.dedent(compose))
    for name, text in {"api/Dockerfile": DOCKERFILE, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return detect(Tree.read(folder))


def test_what_reaches_for_the_host_is_left_and_said(tmp_path: Path) -> None:
    plan = known(
        tmp_path,
        """
        services:
          api:
            build: api
            ports: [8000]
            privileged: true
            network_mode: host
            pid: host
            volumes: ["/:/host", "/var/run/docker.sock:/var/run/docker.sock"]
            cap_add: [SYS_ADMIN]
            devices: [/dev/kmsg]
        """,
    )

    assert (plan.language, plan.framework, plan.root, plan.entry) == ("docker", "compose", "api", "Dockerfile")
    said = plan.why["compose"]
    assert said == "not taken over: cap_add, devices, network_mode, pid, privileged, volumes"
    assert "sock" not in str(plan.as_json())


@pytest.mark.parametrize(
    "build",
    [
        "../other",
        "/etc",
        "https://example.com/x.git",
        "git@example.com:x.git",
        "missing",
        "{context: api, dockerfile: ../x}",
    ],
)
def test_what_lies_outside_of_the_tree_is_not_built(tmp_path: Path, build: str) -> None:
    plan = known(tmp_path, f"services:\n  web:\n    build: {build}\n    ports: [80]\n")

    assert (plan.framework, plan.root) == (None, "api")  # it is found as a folder with a Dockerfile


def test_the_web_service_is_told_from_the_others(tmp_path: Path) -> None:
    plan = known(
        tmp_path,
        """
        services:
          celery-worker: {build: api, command: celery worker}
          migrate: {build: api, ports: [1]}
          metrics: {image: prom/prometheus}
          web: {build: api, ports: ["8080:9000"]}
          extra: {build: api, ports: [5000], profiles: [debug]}
        """,
    )

    assert plan.kind == "server"
    assert plan.port == 9000
    assert plan.why["kind"] == "web is its web service"
    assert "metrics is left out: it runs prom/prometheus" in plan.why["compose"]
    assert "celery-worker is left out" in plan.why["compose"]


def test_without_a_place_for_images_the_file_says_nothing(tmp_path: Path) -> None:
    known(
        tmp_path,
        "services: {api: {build: api, ports: [8000]}}",
        **{"api/app.py": "import flask\napp = flask.Flask('')\n"},
    )

    assert detect(Tree.read(tmp_path), images=False).framework == "flask"


def test_a_procfile_wins(tmp_path: Path) -> None:
    plan = known(tmp_path, "services: {api: {build: api, ports: [8000]}}", Procfile="web: python x.py\n")

    assert plan.start == "python x.py"


@pytest.mark.parametrize(
    ("said", "name", "version"),
    [
        ("postgis/postgis:16-3.4", "postgresql", "16"),
        ("docker.io/library/postgres:15.2-alpine", "postgresql", "15.2"),
        ("pgvector/pgvector:pg17", "postgresql", "17"),
        ("mariadb:11", "mysql", None),
        ("valkey/valkey:8", "redis", None),
        ("redis", "redis", None),
    ],
)
def test_images_of_databases_are_known(tmp_path: Path, said: str, name: str, version: str | None) -> None:
    (backing,) = known(
        tmp_path, f"services: {{api: {{build: api, depends_on: [store]}}, store: {{image: '{said}'}}}}"
    ).backing

    assert (backing.kind, backing.host, backing.version) == (name, "store", version)
    assert "{url}" in backing.variables.values()


def test_a_database_that_nobody_uses_is_not_run(tmp_path: Path) -> None:
    assert known(tmp_path, "services: {api: {build: api}, db: {image: postgres}}").backing == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n- b",
        "services: [",
        "services: &a {api: *a}",
        "services: " + "[" * 10_000,
        "services: " + "{a: " * 5_000,
        "!!python/object/apply:os.system ['true']",
        "a: &a [x]\n" + "b: [" + ",".join(["*a"] * 201) + "]",
        "x" * (yaml.LARGEST + 1),
        "services: 1\n---\nservices: {}",
        "? [a, b]\n: c\n",
        "\0",
    ],
)
def test_broken_and_hostile_files_are_no_compose_project(tmp_path: Path, text: str) -> None:
    assert known(tmp_path, text).framework is None


def test_aliases_and_merges_are_read(tmp_path: Path) -> None:
    found = yaml.mapping("x: &x {a: 1, b: [2]}\ny: {<<: *x, a: 3}\nz: {<<: [*x, {c: ~}]}\n")

    assert (found["y"], found["z"]) == ({"a": "3", "b": ["2"]}, {"a": "1", "b": ["2"], "c": None})


def test_a_bomb_of_aliases_grows_no_larger_than_its_text() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)]
    merges = ["m0: &m0 {k: v}"] + [f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}" for n in range(1, 60)]

    found = yaml.mapping("\n".join(lines))

    assert found["a19"][0] is found["a19"][8]
    assert yaml.mapping("\n".join(merges))["m59"] == {"k": "v"}


def test_a_bomb_in_a_databases_environment_is_never_written_out(tmp_path: Path) -> None:
    bomb = ["x0: &x0 [x, x]"] + [f"x{n}: &x{n} [*x{n - 1}, *x{n - 1}]" for n in range(1, 90)]
    services = "services: {api: {build: api, depends_on: [db]}, db: {image: postgres, environment: {A: *x89, B: $C}}}"

    (backing,) = known(tmp_path, "\n".join([*bomb, services])).backing

    assert backing.kind == "postgresql"


def test_a_preview_is_given_a_few_databases_however_many_are_asked_for(tmp_path: Path) -> None:
    names = [f"db{n}" for n in range(30)]
    stores = ", ".join(f"{name}: {{image: mysql}}" for name in names)

    plan = known(tmp_path, f"services: {{api: {{build: api, depends_on: [{', '.join(names)}]}}, {stores}}}")

    assert [each.host for each in plan.backing] == names[: compose.MAX_DATABASES]
    assert "db29 is left out" in plan.why["compose"]
