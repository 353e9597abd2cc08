"""Real git against it: clone, fetch by commit id, push."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.demo.conftest import Clock, Heard, World, address, git


async def test_a_private_repository_is_cloned_with_an_installation_token(world: World, tmp_path: Path) -> None:
    token = await world.login(repositories=["shop"], permissions={"contents": "read"})
    await git(tmp_path, "clone", "--quiet", address(world.gh, world.name, token), "work")
    assert (tmp_path / "work/app.py").read_text() == "print(1)\n"
    assert (tmp_path / "work/logo.png").read_bytes() == b"\x89PNG\0"


async def test_one_commit_is_fetched_by_its_id_and_without_history(world: World, tmp_path: Path) -> None:
    token = await world.login()
    await git(tmp_path, "init", "--quiet", "--bare", "mirror")
    mirror = tmp_path / "mirror"
    await git(mirror, "fetch", "--quiet", "--depth=1", "--no-tags", address(world.gh, world.name, token), world.sha)
    assert await git(mirror, "rev-parse", "FETCH_HEAD") == world.sha
    assert await git(mirror, "rev-list", "--count", "FETCH_HEAD") == "1"


async def test_the_head_of_a_pull_request_has_a_ref(world: World, tmp_path: Path) -> None:
    token = await world.login()
    refs = await git(tmp_path, "ls-remote", address(world.gh, world.name, token), "refs/pull/*")
    assert refs.split() == [world.sha, "refs/pull/1/head"]


async def test_protocol_version_2_is_spoken(world: World) -> None:
    answer = await world.http.get(
        f"/{world.name}.git/info/refs", params={"service": "git-upload-pack"}, headers={"Git-Protocol": "version=2"}
    )
    assert "version 2" in answer.text and "fetch=" in answer.text


@pytest.mark.parametrize("token", [None, "ghs_1_made.up.token"])
async def test_strangers_get_nothing(world: World, tmp_path: Path, token: str | None) -> None:
    with pytest.raises(RuntimeError, match=r"Authentication failed|could not read"):
        await git(tmp_path, "ls-remote", address(world.gh, world.name, token))


async def test_an_expired_token_gets_nothing(world: World, tmp_path: Path, clock: Clock) -> None:
    token = await world.login()
    clock.now += 3601
    with pytest.raises(RuntimeError, match="Authentication failed"):
        await git(tmp_path, "ls-remote", address(world.gh, world.name, token))


async def test_a_token_for_another_repository_finds_nothing(world: World, tmp_path: Path) -> None:
    await world.gh.create_repository("acme", "other", {"a": "b"})
    token = await world.login(repositories=["other"])
    with pytest.raises(RuntimeError, match="not found"):
        await git(tmp_path, "ls-remote", address(world.gh, world.name, token))


async def test_a_public_repository_needs_no_token(world: World, tmp_path: Path) -> None:
    await world.gh.create_repository("acme", "open", {"a": "b"}, private=False)
    assert "refs/heads/main" in await git(tmp_path, "ls-remote", address(world.gh, "acme/open"))


async def test_a_push_moves_the_pull_request_and_is_told(world: World, tmp_path: Path, heard: Heard) -> None:
    world.gh.grant(world.name, "ada", "write")
    await git(tmp_path, "clone", "--quiet", address(world.gh, world.name, world.gh.token("ada")), "work")
    work = tmp_path / "work"
    await git(work, "checkout", "--quiet", "change")
    (work / "app.py").write_text("print(3)\n")
    await git(work, "commit", "--quiet", "--all", "--message", "Say three")
    await git(work, "push", "--quiet", "origin", "change")
    await world.gh.settled()
    pushed, moved = heard.last("push"), heard.last("pull_request.synchronize")
    head = await git(work, "rev-parse", "HEAD")
    assert pushed["before"] == world.sha == moved["before"]
    assert pushed["after"] == head == moved["after"] == moved["pull_request"]["head"]["sha"]
    assert pushed["commits"][0]["modified"] == ["app.py"]
    assert pushed["pusher"]["name"] == "ada" == moved["sender"]["login"]


async def test_a_large_push_arrives_whole(world: World, tmp_path: Path) -> None:
    world.gh.grant(world.name, "ada", "write")
    await git(tmp_path, "clone", "--quiet", address(world.gh, world.name, world.gh.token("ada")), "work")
    work = tmp_path / "work"
    noise = b"".join(number.to_bytes(4, "big") * 3 for number in range(400_000))
    (work / "large.bin").write_bytes(noise)
    await git(work, "add", ".")
    await git(work, "commit", "--quiet", "--message", "Large")
    await git(work, "push", "--quiet", "origin", "HEAD:main")
    sha = await git(work, "rev-parse", "HEAD:large.bin")
    assert await world.gh.hub.repo(world.name).git.blob(sha) == noise


@pytest.mark.parametrize("role", ["none", "read", "triage"])
async def test_who_may_not_write_may_not_push(world: World, tmp_path: Path, role: str) -> None:
    world.gh.grant(world.name, "eve", "read")
    await git(tmp_path, "clone", "--quiet", address(world.gh, world.name, world.gh.token("eve")), "work")
    world.gh.grant(world.name, "eve", role)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r"not found|403"):
        await git(tmp_path / "work", "push", "origin", "HEAD:new")


async def test_github_s_own_refs_can_not_be_pushed(world: World, tmp_path: Path) -> None:
    world.gh.grant(world.name, "ada", "admin")
    await git(tmp_path, "clone", "--quiet", address(world.gh, world.name, world.gh.token("ada")), "work")
    with pytest.raises(RuntimeError, match=r"hidden ref|rejected"):
        await git(tmp_path / "work", "push", "origin", "HEAD:refs/pull/1/head")


async def test_a_renamed_repository_is_still_found(world: World, tmp_path: Path) -> None:
    await world.gh.rename_repository(world.name, "store")
    token = world.gh.token("acme")
    assert world.sha in await git(tmp_path, "ls-remote", address(world.gh, "acme/shop", token), "change")
    assert world.sha in await git(tmp_path, "ls-remote", address(world.gh, "acme/store", token), "change")
