"""A revision's files, from a real git server over HTTP."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from bot.errors import GitHubDown, SourceUnavailable
from bot.sources import Sources
from bot.sources import git as git_module
from bot.sources.git import redact
from tests.git_server import TOKEN, GitServer, Work, basic, git, serve

SHOP = "acme/shop"
SYMLINK, EXECUTABLE, SUBMODULE = "120000", "100755", "160000"


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    async with serve(tmp_path / "server") as server:
        yield server


@pytest.fixture
def work(server: GitServer) -> Work:
    return server.create(SHOP)


@pytest_asyncio.fixture
async def sources(server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sources]:
    monkeypatch.setattr("bot.sources.HISTORY_DELAY", 0.0)
    sources = Sources(tmp_path / "home", server.url, time.time)
    yield sources
    await sources.close()


async def settled(sources: Sources) -> None:
    """Wait for what runs in the background."""
    await asyncio.gather(*sources._histories.values())


def files_in(tree: Path) -> dict[str, bytes]:
    return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


# ---- fetching


async def test_a_commit_is_fetched_by_its_hash_and_known_by_its_tree(
    server: GitServer, work: Work, sources: Sources
) -> None:
    sha = work.commit({"app.py": "print(1)", "static/a.css": "a{}"})

    revision = await sources.fetch(1, SHOP, sha, TOKEN)

    assert (revision.sha, revision.notes) == (sha, ())
    assert revision.tree_hash == git(work.bare, "rev-parse", f"{sha}^{{tree}}")
    tree = await sources.checkout(1, sha)
    assert tree.name == revision.tree_hash
    assert files_in(tree) == {"app.py": b"print(1)", "static/a.css": b"a{}"}


async def test_a_commit_that_is_here_asks_the_server_for_nothing(
    server: GitServer, work: Work, sources: Sources
) -> None:
    first = work.commit({"a": "1"})
    second = work.commit({"a": "2"})
    await sources.fetch(1, SHOP, second, TOKEN)
    await settled(sources)
    server.requests.clear()

    assert await sources.fetch(1, SHOP, second, None) == await sources.fetch(1, SHOP, second, None)
    await sources.fetch(1, SHOP, first, None)

    assert server.requests == []


async def test_many_who_want_one_commit_make_one_fetch(server: GitServer, work: Work, sources: Sources) -> None:
    sha = work.commit({"a": "1"})

    await asyncio.gather(*(sources.fetch(1, SHOP, sha, TOKEN) for _ in range(5)))

    await settled(sources)
    assert server.packs == 2  # the commit, then its history


async def test_the_next_commit_brings_only_what_is_new(server: GitServer, work: Work, sources: Sources) -> None:
    first = work.commit({"big": os.urandom(300_000)})
    await sources.fetch(1, SHOP, first, TOKEN)
    await settled(sources)
    second = work.commit({"small": "1"})

    await sources.fetch(1, SHOP, second, TOKEN)

    packs = (sources._at(1) / "objects").rglob("*")
    assert sum(path.stat().st_size for path in packs if path.is_file()) < 400_000


async def test_the_history_follows_the_first_fetch(server: GitServer, work: Work, sources: Sources) -> None:
    old = work.commit({"a": "1"})
    new = work.commit({"a": "2"})

    await sources.fetch(1, SHOP, new, TOKEN)
    await settled(sources)

    assert git(sources._at(1), "rev-list", "--count", new) == "2"
    assert git(sources._at(1), "cat-file", "-t", old) == "commit"


async def test_a_fetch_need_not_wait_for_the_history(server: GitServer, work: Work, sources: Sources) -> None:
    work.commit({"a": "1"})
    server.hold, server.hold_words = asyncio.Event(), b"deepen 2147483647"
    await sources.fetch(1, SHOP, work.commit({"a": "2"}), TOKEN)
    await asyncio.wait_for(server.holding.wait(), 10)

    last = work.commit({"a": "3"})
    assert (await sources.fetch(1, SHOP, last, TOKEN)).sha == last

    server.hold.set()
    await settled(sources)
    assert git(sources._at(1), "rev-list", "--count", last) == "3"


async def test_the_files_of_a_closed_mirror_are_still_compared_with(
    server: GitServer, work: Work, sources: Sources
) -> None:
    first = work.commit({"big": os.urandom(300_000)})
    await sources.fetch(1, SHOP, first, TOKEN)
    await settled(sources)
    await sources.forget(1, first)
    git(sources._at(1), "gc", "--prune=now", "--quiet")

    await sources.fetch(1, SHOP, work.commit({"small": "1"}), TOKEN)

    packs = (sources._at(1) / "objects").rglob("*")
    assert sum(path.stat().st_size for path in packs if path.is_file()) < 400_000


async def test_garbage_collection_spares_what_is_not_forgotten(server: GitServer, work: Work, sources: Sources) -> None:
    pull = work.commit({"pull": "1"}, ref="refs/heads/pull")
    await sources.fetch(1, SHOP, pull, TOKEN)
    await sources.checkout(1, pull)
    await settled(sources)
    await sources.fetch(1, SHOP, work.commit({"main": "1"}), TOKEN)

    git(sources._at(1), "gc", "--prune=now", "--quiet")

    assert git(sources._at(1), "show", f"{pull}:pull") == "1"


async def test_what_was_only_fetched_leaves_no_trace_that_grows(
    server: GitServer, work: Work, sources: Sources
) -> None:
    for number in range(3):
        await sources.fetch(1, SHOP, work.commit({"a": str(number)}), TOKEN)
    await settled(sources)

    assert git(sources._at(1), "for-each-ref", "--format=%(refname)") == "refs/keep/latest"


async def test_a_pull_requests_ref_is_used_when_the_hash_alone_is_not_served(
    server: GitServer, work: Work, sources: Sources
) -> None:
    server.speaks = 0  # serves the tips of refs only
    sha = work.commit({"a": "1"}, ref="refs/pull/7/head")
    work.commit({"a": "2"}, ref="refs/pull/7/head")
    with pytest.raises(SourceUnavailable):
        await sources.fetch(1, SHOP, sha, TOKEN)

    assert (await sources.fetch(1, SHOP, sha, TOKEN, ref="refs/pull/7/head")).sha == sha


async def test_a_commit_that_is_gone_is_told_in_words(server: GitServer, work: Work, sources: Sources) -> None:
    work.commit({"a": "1"})

    with pytest.raises(SourceUnavailable, match="not on GitHub any more"):
        await sources.fetch(1, SHOP, "0123456789" * 4, TOKEN)


async def test_a_pull_request_that_moved_on_is_told_in_words(server: GitServer, work: Work, sources: Sources) -> None:
    work.commit({"a": "1"}, ref="refs/pull/7/head")

    with pytest.raises(SourceUnavailable, match="moved on"):
        await sources.fetch(1, SHOP, "0123456789" * 4, TOKEN, ref="refs/pull/7/head")


@pytest.mark.parametrize("token", [None, "ghs_wrong_token_of_somebody"])
async def test_a_server_that_lets_nobody_in_is_told_in_words(
    server: GitServer, work: Work, sources: Sources, token: str | None
) -> None:
    sha = work.commit({"a": "1"})

    with pytest.raises(SourceUnavailable, match="does not let us read"):
        await sources.fetch(1, SHOP, sha, token)


async def test_a_repository_that_is_not_there_is_told_in_words(server: GitServer, sources: Sources) -> None:
    with pytest.raises(SourceUnavailable, match="does not let us read"):
        await sources.fetch(1, "acme/nothing", "0" * 40, TOKEN)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_server_in_trouble_is_worth_another_try(
    server: GitServer, work: Work, sources: Sources, status: int
) -> None:
    sha = work.commit({"a": "1"})
    server.answer = lambda request: web.Response(status=status)
    with pytest.raises(GitHubDown):
        await sources.fetch(1, SHOP, sha, TOKEN)
    server.answer = lambda request: None

    assert (await sources.fetch(1, SHOP, sha, TOKEN)).sha == sha


async def test_a_server_that_is_away_is_worth_another_try(tmp_path: Path) -> None:
    sources = Sources(tmp_path, "http://127.0.0.1:9", time.time)

    with pytest.raises(GitHubDown):
        await sources.fetch(1, SHOP, "0" * 40, TOKEN)


@pytest.mark.parametrize(
    ("full_name", "sha", "ref"),
    [
        ("--upload-pack=touch /tmp/x", "0" * 40, None),
        ("acme/../../etc", "0" * 40, None),
        ("-acme/shop", "0" * 40, None),
        (SHOP, "--output=x", None),
        (SHOP, "main", None),
        (SHOP, "0" * 40, "--all"),
        (SHOP, "0" * 40, "refs/heads/x:refs/heads/y"),
    ],
)
async def test_names_that_are_options_never_reach_git(
    sources: Sources, server: GitServer, full_name: str, sha: str, ref: str | None
) -> None:
    with pytest.raises(SourceUnavailable):
        await sources.fetch(1, full_name, sha, TOKEN, ref=ref)

    assert server.requests == []


async def test_a_fetch_that_is_cancelled_leaves_no_process_and_can_be_repeated(
    server: GitServer, work: Work, sources: Sources
) -> None:
    sha = work.commit({"a": "1"})
    server.hold = asyncio.Event()
    fetch = asyncio.create_task(sources.fetch(1, SHOP, sha, TOKEN))
    await asyncio.wait_for(server.holding.wait(), 10)

    fetch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetch

    assert str(sources._at(1)) not in processes("GIT_DIR")
    server.hold.set()
    assert (await sources.fetch(1, SHOP, sha, TOKEN)).sha == sha


async def test_locks_of_a_former_life_are_no_obstacle(server: GitServer, work: Work, sources: Sources) -> None:
    await sources.fetch(1, SHOP, work.commit({"a": "1"}), TOKEN)
    await settled(sources)
    mirror = sources._at(1)
    left = [mirror / "shallow.lock", mirror / "refs/keep/latest.lock", mirror / "objects/pack/tmp_pack_abc"]
    for path in left:
        path.touch()
        os.utime(path, (1, 1))

    await Sources(mirror.parents[1], server.url, time.time).fetch(1, SHOP, work.commit({"a": "2"}), TOKEN)

    assert not any(path.exists() for path in left)


async def test_a_lock_that_was_too_young_to_be_swept_is_swept_later(
    server: GitServer, work: Work, sources: Sources
) -> None:
    """We were killed and started again at once: git's lock is there, and may still be somebody's."""
    await sources.fetch(1, SHOP, work.commit({"a": "1"}), TOKEN)
    await settled(sources)
    lock, sha = sources._at(1) / "refs/keep/latest.lock", work.commit({"a": "2"})
    lock.touch()
    again = Sources(sources._at(1).parents[1], server.url, time.time)
    with pytest.raises(GitHubDown):
        await again.fetch(1, SHOP, sha, TOKEN)
    assert lock.exists()
    os.utime(lock, (1, 1))

    assert (await again.fetch(1, SHOP, sha, TOKEN)).sha == sha


# ---- the token


async def test_the_token_is_nowhere_but_in_gits_environment(
    server: GitServer, work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A git of ours writes down its arguments, and its children's through GIT_TRACE2, then does as it is told."""
    caplog.set_level(logging.DEBUG)
    seen = tmp_path / "seen"
    seen.mkdir()
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    real = subprocess.run(["which", "git"], capture_output=True, check=True, text=True).stdout.strip()
    wrapper.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$0 $*" >> {seen}/arguments\nGIT_TRACE2={seen}/children exec {real} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    monkeypatch.setattr("bot.sources.HISTORY_DELAY", 0.0)
    sources = Sources(tmp_path / "home", server.url, time.time)

    sha = work.commit({"a": "1"})
    work.commit({"a": "2"})
    await sources.fetch(1, SHOP, sha, TOKEN)
    await settled(sources)
    server.answer = lambda request: web.Response(status=500, text=f"Authorization: {request.headers['Authorization']}")
    with pytest.raises(GitHubDown) as failure:
        await sources.fetch(1, SHOP, "1" * 40, TOKEN)

    written = b"".join(path.read_bytes() for folder in (seen, tmp_path / "home") for path in files_below(folder))
    assert b"remote-http" in written  # git's own child was watched
    for secret in (TOKEN, basic(TOKEN).removeprefix("Basic ")):
        assert secret.encode() not in written
        assert secret not in caplog.text
        assert secret not in str(failure.value) + repr(failure.value.__cause__)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_redirect_to_another_host_takes_no_token_along(
    server: GitServer, work: Work, sources: Sources, tmp_path: Path
) -> None:
    sha = work.commit({"a": "1"})
    async with serve(tmp_path / "foreign") as foreign:
        host = foreign.url.replace("127.0.0.1", "localhost")
        server.answer = lambda request: web.Response(status=301, headers={"Location": f"{host}{request.path_qs}"})
        with pytest.raises(SourceUnavailable):
            await sources.fetch(1, SHOP, sha, TOKEN)

        assert foreign.requests
        assert {authorization for _, authorization in foreign.requests} == {None}


async def test_a_renamed_repository_is_followed_on_the_same_host(server: GitServer, sources: Sources) -> None:
    sha = server.create("acme/new").commit({"a": "1"})

    def moved(request: web.Request) -> web.StreamResponse | None:
        if request.path.startswith("/acme/new.git"):
            return None
        place = request.path_qs.replace("/acme/old.git", "/acme/new.git")
        return web.Response(status=301, headers={"Location": place})

    server.answer = moved

    assert (await sources.fetch(1, "acme/old", sha, TOKEN)).sha == sha


async def test_the_users_own_git_settings_do_not_matter(
    server: GitServer, work: Work, sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "user"
    home.mkdir()
    (home / ".gitconfig").write_text('[url "http://127.0.0.1:9/"]\n\tinsteadOf = http://\n[core]\n\tautocrlf = true\n')
    (home / ".netrc").write_text("machine 127.0.0.1 login x password y\n")
    for name, value in {"HOME": str(home), "GIT_DIR": "/nowhere", "GIT_TRACE_CURL": str(tmp_path / "trace")}.items():
        monkeypatch.setenv(name, value)
    sha = work_commit_apart(work)

    await sources.fetch(1, SHOP, sha, TOKEN)

    assert files_in(await sources.checkout(1, sha)) == {"a": b"1\n"}
    assert not (tmp_path / "trace").exists()


def work_commit_apart(work: Work) -> str:
    """As `Work.commit`, whatever the environment says."""
    kept = {name: os.environ.pop(name) for name in ("GIT_DIR", "GIT_TRACE_CURL")}
    try:
        return work.commit({"a": "1\n"})
    finally:
        os.environ.update(kept)


async def test_this_machines_certificates_are_trusted_by_git_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in git_module.AUTHORITIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/company.pem")

    assert git_module.Git(tmp_path, "https://x")._environment(None, moved=False)["GIT_SSL_CAINFO"] == "/etc/company.pem"


def test_words_lose_the_token_however_it_is_written() -> None:
    words = redact(f"x {TOKEN} y {basic(TOKEN)} z ghs_anotherone123 Bearer abcdefgh.ijk", TOKEN)

    assert words == "x *** y Basic *** z *** ***"


# ---- files


async def test_a_tree_is_made_once_whatever_commit_it_is_of(server: GitServer, work: Work, sources: Sources) -> None:
    first, second = work.commit({"a": "1"}), work.commit({"a": "1"}, ref="refs/heads/other")
    first = work.commit_tree(git(work.bare, "rev-parse", f"{second}^{{tree}}"), parent=first)
    for sha in (first, second):
        await sources.fetch(1, SHOP, sha, TOKEN)

    trees = await asyncio.gather(*(sources.checkout(1, sha) for sha in (first, second) * 3))

    assert len(set(trees)) == 1
    assert [path.name for path in trees[0].parent.iterdir()] == [trees[0].name]


async def test_files_are_exactly_what_git_holds(server: GitServer, work: Work, sources: Sources) -> None:
    held = {
        ".gitattributes": b"*.bat eol=crlf\n*.txt text=auto ident\n*.u16 working-tree-encoding=UTF-16\n"
        b"*.bin filter=lfs\nsecret export-ignore\n",
        "run.bat": b"echo\nhello\n",
        "a.txt": b"$Id$\r\n",
        "b.u16": "héllo\n".encode(),
        "c.bin": b"not a pointer",
        "secret": b"kept",
    }
    sha = work.commit(held)
    await sources.fetch(1, SHOP, sha, TOKEN)

    assert files_in(await sources.checkout(1, sha)) == held


async def test_modes_and_links_are_kept_and_links_lead_where_they_lead(
    server: GitServer, work: Work, sources: Sources
) -> None:
    entries = [
        f"{EXECUTABLE} {work.blob('#!/bin/sh')}\trun",
        f"{SYMLINK} {work.blob('run')}\tinside",
        f"{SYMLINK} {work.blob('/etc/passwd')}\toutside",
        f"{SYMLINK} {work.blob('..//../././x/')}\todd",
    ]
    sha = work.plant(entries)
    await sources.fetch(1, SHOP, sha, TOKEN)

    tree = await sources.checkout(1, sha)

    assert (tree / "run").stat().st_mode & 0o777 == 0o755
    assert {name: target_of(tree / name) for name in ("inside", "outside", "odd")} == {
        "inside": "run",
        "outside": "/etc/passwd",
        "odd": "..//../././x/",
    }


async def test_names_that_are_no_text_are_written_as_they_are(server: GitServer, work: Work, sources: Sources) -> None:
    names = ["line\nbreak", "latin-\udce9", 'quo"te', "-rf", "Readme", "README", " space ", "ü", "x" * 255]
    sha = work.commit(dict.fromkeys(names, "1"))
    await sources.fetch(1, SHOP, sha, TOKEN)

    assert set(files_in(await sources.checkout(1, sha))) == set(names)


async def test_a_name_that_no_disk_takes_is_told_in_words(server: GitServer, work: Work, sources: Sources) -> None:
    sha = work.commit({"x" * 300: "1"})
    await sources.fetch(1, SHOP, sha, TOKEN)

    with pytest.raises(SourceUnavailable, match="can't be written"):
        await sources.checkout(1, sha)
    assert list((sources._trees / "1").iterdir()) == []


@pytest.mark.parametrize("name", [b".git", b"..", b".GIT", b"a/b"])
async def test_a_tree_that_would_leave_its_folder_is_refused(
    server: GitServer, work: Work, sources: Sources, tmp_path: Path, name: bytes
) -> None:
    blob = bytes.fromhex(work.blob("#!/bin/sh\ntouch /tmp/owned"))
    inner = work.raw("tree", b"100755 config\0" + blob)
    outer = work.raw("tree", b"40000 " + name + b"\0" + bytes.fromhex(inner))
    sha = work.commit_tree(outer)

    with pytest.raises(SourceUnavailable):
        await sources.fetch(1, SHOP, sha, TOKEN)
        await sources.checkout(1, sha)

    assert not (tmp_path / "home" / "trees" / "1" / "config").exists()


async def test_a_link_that_is_a_folder_too_writes_nothing_outside(
    server: GitServer, work: Work, sources: Sources, tmp_path: Path
) -> None:
    """The classic: one entry `a` is a link to a folder outside, the other `a` a folder with a file."""
    target = tmp_path / "outside"
    target.mkdir()
    link, blob = bytes.fromhex(work.blob(str(target))), bytes.fromhex(work.blob("owned"))
    inner = bytes.fromhex(work.raw("tree", b"100644 b\0" + blob))
    outer = work.raw("tree", b"120000 a\0" + link + b"40000 a\0" + inner)

    with pytest.raises(SourceUnavailable):
        sha = work.commit_tree(outer)
        await sources.fetch(1, SHOP, sha, TOKEN)
        await sources.checkout(1, sha)

    assert list(target.iterdir()) == []


async def test_ten_objects_that_unfold_to_ten_thousand_million_files_are_refused(
    server: GitServer, work: Work, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_module, "OUTPUT", 1 << 20)
    kind, inner = b"100644", bytes.fromhex(work.blob("boom"))
    for _ in range(10):
        tree = work.raw("tree", b"".join(b"%s %d\0%s" % (kind, name, inner) for name in range(10)))
        kind, inner = b"40000", bytes.fromhex(tree)
    sha = work.commit_tree(inner.hex())

    with pytest.raises(SourceUnavailable, match="can't be listed"):
        await sources.fetch(1, SHOP, sha, TOKEN)


async def test_old_histories_with_harmless_faults_are_taken(server: GitServer, work: Work, sources: Sources) -> None:
    blob = bytes.fromhex(work.blob("1"))
    tree = work.raw("tree", b"0100644 a\0" + blob)
    people = b"author M<m@x> 1 +0000\ncommitter M <m@x> 1 +0000\n"
    commit = work.raw("commit", b"tree " + tree.encode() + b"\n" + people + b"\nold\n")
    git(work.bare, "update-ref", "refs/heads/main", commit)

    await sources.fetch(1, SHOP, commit, TOKEN)

    assert files_in(await sources.checkout(1, commit)) == {"a": b"1"}


async def test_a_repository_without_files_is_an_empty_folder(server: GitServer, work: Work, sources: Sources) -> None:
    sha = work.commit_tree(work.raw("tree", b""))
    await sources.fetch(1, SHOP, sha, TOKEN)

    assert list((await sources.checkout(1, sha)).iterdir()) == []


async def test_a_commit_that_was_not_fetched_has_no_files(sources: Sources) -> None:
    for sha in ("0" * 40, "HEAD", "../../x"):
        with pytest.raises(SourceUnavailable, match="not fetched"):
            await sources.checkout(1, sha)


# ---- the tree next to it


def many(number: int = 600) -> dict[str, str | bytes | None]:
    return {f"d{n % 7}/e{n % 3}/f{n}": f"content {n % 20}" for n in range(number)}


async def test_a_big_tree_next_to_another_shares_its_files_and_is_the_same_as_afresh(
    server: GitServer, work: Work, sources: Sources, tmp_path: Path
) -> None:
    links = [f"{SYMLINK} {work.blob('odd//./target/')}\tlink", f"{SYMLINK} {work.blob('d0')}\tturns"]
    links += [f"{EXECUTABLE} {work.blob('x')}\tmode", f"{SUBMODULE} {'1' * 40}\tmodule"]
    old = work.plant(links, parent=work.commit(many()))
    zero = "0" * 40
    new = work.plant(
        [
            f"0 {zero}\tturns",
            f"100644 {work.blob('in a folder now')}\tturns/file",
            f"0 {zero}\td1/e1/f1",
            f"100644 {work.blob('changed')}\td2/e2/f2",
            f"100644 {work.blob('x')}\tmode",
            f"0 {zero}\tmodule",
            *(f"0 {zero}\t{path}" for path in many() if path.startswith("d6/e0/")),
            f"{SYMLINK} {work.blob('../../..')}\td6/e0",
            f"100644 {work.blob('*.x eol=crlf')}\t.gitattributes",
            f"100644 {work.blob('line' + chr(10))}\tline\nbreak.x",
        ],
        parent=old,
    )
    for sha in (old, new):
        await sources.fetch(1, SHOP, sha, TOKEN)
    base = await sources.checkout(1, old)

    tree = await sources.checkout(1, new)

    assert (tree / "d0/e0/f0").stat().st_ino == (base / "d0/e0/f0").stat().st_ino
    assert (base / "d2/e2/f2").read_bytes() == b"content 2"
    apart = Sources(tmp_path / "apart", server.url, time.time)
    await apart.fetch(1, SHOP, new, TOKEN)
    assert picture(tree) == picture(await apart.checkout(1, new))
    await settled(apart)


def target_of(link: Path) -> str:
    return os.readlink(link)  # noqa: PTH115 -- pathlib would tidy it


def picture(tree: Path) -> dict[str, tuple[int, bytes]]:
    """Every path with its mode and content."""
    seen = {}
    for path in sorted(tree.rglob("*")):
        link = path.is_symlink()
        content = os.fsencode(target_of(path)) if link else path.read_bytes() if path.is_file() else b""
        seen[str(path.relative_to(tree))] = (path.lstat().st_mode, content)
    return seen


async def test_a_tree_that_is_quite_another_is_written_afresh(server: GitServer, work: Work, sources: Sources) -> None:
    old = work.commit(many())
    new = work.commit(dict.fromkeys(list(many())[:300], "other"))
    for sha in (old, new):
        await sources.fetch(1, SHOP, sha, TOKEN)

    base, tree = [await sources.checkout(1, sha) for sha in (old, new)]

    assert (tree / "d4/e2/f599").stat().st_ino != (base / "d4/e2/f599").stat().st_ino


# ---- what is not there


async def test_submodules_are_empty_folders_and_told_of(server: GitServer, work: Work, sources: Sources) -> None:
    entries = [f"{SUBMODULE} {'1' * 40}\tvendor/{name}" for name in ("a", "b", "c", "d\n@octocat")]
    sha = work.plant(entries, parent=work.commit({"a": "1", ".gitmodules": ""}))

    revision = await sources.fetch(1, SHOP, sha, TOKEN)

    assert revision.notes == (
        "Submodules are not fetched, so these folders are empty: vendor/a, vendor/b, vendor/c and 1 more.",
    )
    assert list((await sources.checkout(1, sha) / "vendor/a").iterdir()) == []


async def test_files_in_lfs_are_told_of(server: GitServer, work: Work, sources: Sources) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"
    attributes = "*.png filter=lfs diff=lfs merge=lfs -text\n"
    sha = work.commit(
        {"img/.gitattributes": attributes, "img/a\n.png": pointer, "img/b.png": b"\x89PNG", "c": "x" * 5000}
    )

    revision = await sources.fetch(1, SHOP, sha, TOKEN)

    assert revision.notes == ("Files in Git LFS are not fetched, so these hold pointers only: img/a\ufffd.png.",)


async def test_a_pointer_in_a_repository_without_lfs_is_a_file_like_others(
    server: GitServer, work: Work, sources: Sources
) -> None:
    sha = work.commit({"docs/pointer": "version https://git-lfs.github.com/spec/v1\n", ".gitattributes": "*.c text\n"})

    assert (await sources.fetch(1, SHOP, sha, TOKEN)).notes == ()


# ---- letting go


async def test_a_forgotten_commits_files_go_unless_another_has_the_same(
    server: GitServer, work: Work, sources: Sources
) -> None:
    first = work.commit({"a": "1"})
    same = work.commit_tree(git(work.bare, "rev-parse", f"{first}^{{tree}}"), parent=first)
    for sha in (first, same):
        await sources.fetch(1, SHOP, sha, TOKEN)
    tree = await sources.checkout(1, first)
    assert await sources.checkout(1, same) == tree

    await sources.forget(1, first)
    assert tree.is_dir()
    await sources.forget(1, same)
    assert not tree.exists()
    await sources.forget(1, same)
    await sources.forget(2, same)
    await sources.forget(1, "no-hash")


async def test_a_forgotten_commit_can_be_had_again(server: GitServer, work: Work, sources: Sources) -> None:
    sha = work.commit({"a": "1"})
    await sources.fetch(1, SHOP, sha, TOKEN)
    await sources.checkout(1, sha)
    await sources.forget(1, sha)

    await sources.fetch(1, SHOP, sha, TOKEN)

    assert files_in(await sources.checkout(1, sha)) == {"a": b"1"}


async def test_a_mirror_of_many_small_packs_is_tidied_when_something_is_forgotten(
    server: GitServer, work: Work, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sources.PACKS", 0)
    shas = [work.commit({"a": os.urandom(20)}) for _ in range(3)]
    for sha in shas:
        await sources.fetch(1, SHOP, sha, TOKEN)
    await settled(sources)

    await sources.forget(1, shas[0])

    assert len(list((sources._at(1) / "objects/pack").glob("*.pack"))) == 1
    assert (await sources.checkout(1, shas[1])).is_dir()


async def test_a_dropped_repository_leaves_nothing(server: GitServer, work: Work, sources: Sources) -> None:
    sha = work.commit({"a": "1"})
    await sources.fetch(1, SHOP, sha, TOKEN)
    await sources.checkout(1, sha)

    await sources.drop(1)
    await sources.drop(1)

    assert list(sources._mirrors.iterdir()) == list(sources._trees.iterdir()) == []
    await sources.fetch(1, SHOP, sha, TOKEN)


def processes(variable: str) -> str:
    """The values of an environment variable in every process of this machine that we may look at."""
    if sys.platform != "linux":
        return ""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            entries = path.read_bytes().split(b"\0")
        except OSError:
            continue
        found += [os.fsdecode(entry) for entry in entries if entry.startswith(f"{variable}=".encode())]
    return "\n".join(found)
