"""What a pull request changes, from a real git server over HTTP."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.errors import GitHubDown, SourceUnavailable
from bot.sources import Sources
from bot.sources.changes import Change
from tests.git_server import TOKEN, GitServer, Work, git, serve

SHOP = "acme/shop"
TOPIC = "refs/heads/topic"


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    async with serve(tmp_path / "server") as server:
        yield server


@pytest.fixture
def work(server: GitServer) -> Work:
    return server.create(SHOP)


@pytest_asyncio.fixture
async def sources(server: GitServer, tmp_path: Path) -> AsyncIterator[Sources]:
    sources = Sources(tmp_path / "home", server.url, time.time)
    yield sources
    await sources.close()


@pytest.fixture(autouse=True)
def no_history_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.sources.HISTORY_DELAY", 3600.0)


async def with_all_history(sources: Sources, sha: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.sources.HISTORY_DELAY", 0.0)
    await sources.fetch(1, SHOP, sha, TOKEN)
    await asyncio.gather(*sources._histories.values())
    assert not (sources._at(1) / "shallow").exists()


async def changed(sources: Sources, base: str | None, head: str, commits: int | None) -> Change:
    return await sources.change(1, SHOP, base, head, TOKEN, commits)


def after(work: Work, change: Change) -> dict[str, str | None]:
    """The content of each changed file at the head."""
    return {file.path: content(work, file.after) if file.after else None for file in change.files}


def content(work: Work, blob: str) -> str:
    return git(work.bare, "cat-file", "blob", blob)


def brought(work: Work, change: Change) -> set[tuple[str, str]]:
    return {(one.path, content(work, one.blob)) for one in change.seen}


def merged(work: Work, ours: str, theirs: str, files: dict[str, str], ref: str = TOPIC) -> str:
    """A merge of two commits whose tree is that of `ours` with these files changed."""
    tree = git(work.bare, "rev-parse", f"{work.commit(dict(files), onto=ours, ref='refs/heads/making')}^{{tree}}")
    sha = git(work.bare, "commit-tree", tree, "-p", ours, "-p", theirs, "-m", "A merge")
    git(work.bare, "update-ref", ref, sha)
    return sha


def commits_on_main(work: Work, number: int) -> str:
    for count in range(number):
        work.commit({"news": str(count)})
    return git(work.bare, "rev-parse", "main")


# ---- files


def lines(*changed: int) -> str:
    return "".join(f"line {number}{' changed' * (number in changed)}\n" for number in range(20))


def moves(change: Change) -> dict[str, str]:
    return {file.path: file.former for file in change.files if file.former}


async def test_a_file_that_moved_knows_from_where_and_what_it_was(work: Work, sources: Sources) -> None:
    fork = work.commit({"old/name.py": lines(), "kept": "1"})
    head = work.commit({"old/name.py": None, "new/näme\n.py": lines(3)}, onto=fork, ref=TOPIC)

    change = await changed(sources, fork, head, 1)

    [moved] = [file for file in change.files if file.former]
    assert (moved.path, moved.former) == ("new/näme\n.py", "old/name.py")
    assert [content(work, blob) + "\n" for blob in (moved.before, moved.after) if blob] == [lines(), lines(3)]
    assert [file.path for file in change.files if file.after is None] == ["old/name.py"]


async def test_a_copy_is_new_also_beside_a_move(work: Work, sources: Sources) -> None:
    fork = work.commit({"a.py": lines(), "b.py": lines(5)})
    head = work.commit({"copy.py": lines(), "b.py": None, "x.py": lines(5), "y.py": lines(5)}, onto=fork, ref=TOPIC)

    change = await changed(sources, fork, head, 1)

    assert list(moves(change).values()) == ["b.py"]
    assert [file.before for file in change.files if file.path == "copy.py"] == [None]


async def test_what_was_never_looked_at_has_not_moved(work: Work, sources: Sources) -> None:
    fork = work.commit({"vendor/a.py": lines(), "large.txt": "x\n" * 600_000})
    head = work.commit(
        {"vendor/a.py": None, "a.py": lines(), "large.txt": None, "small.txt": "x\n" * 500_000}, onto=fork, ref=TOPIC
    )
    change = await changed(sources, fork, head, 1)
    assert moves(change) == {}
    assert {file.path: file.before for file in change.files} == {"a.py": None, "small.txt": None}


async def test_a_file_that_another_replaced_has_not_moved(work: Work, sources: Sources) -> None:
    fork = work.commit({"a.py": lines(), "b.py": "nothing like it\n" * 9})
    head = work.commit({"a.py": None, "c.py": "something else\n" * 9, "b.py": lines()}, onto=fork, ref=TOPIC)
    assert moves(await changed(sources, fork, head, 1)) == {}


async def test_of_more_moves_than_can_be_compared_those_without_a_change_are_known(
    work: Work, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sources.changes.MOVED", 2)
    old = {f"old/{number}": lines(number) + str(number) for number in range(4)}
    fork = work.commit(dict(old))
    new: dict[str, str | bytes | None] = {path.replace("old", "new"): text for path, text in old.items()}
    head = work.commit({**dict.fromkeys(old), **new, "new/3": lines(1, 2)}, onto=fork, ref=TOPIC)

    change = await changed(sources, fork, head, 1)

    assert moves(change) == {f"new/{number}": f"old/{number}" for number in range(3)}


async def test_files_that_differ_are_told_with_both_contents(work: Work, sources: Sources) -> None:
    fork = work.commit({"kept": "1", "changed": "1", "gone": "1", "moved/from": "same"})
    work.commit({"kept": "2", "elsewhere": "main's own"})
    head = work.commit(
        {"changed": "2", "gone": None, "new": "2", "moved/from": None, "moved/to": "same"}, onto=fork, ref=TOPIC
    )

    change = await changed(sources, git(work.bare, "rev-parse", "main"), head, 1)

    assert (change.base, change.head, change.whole, change.left_out) == (fork, head, True, ())
    contents = {
        file.path: tuple(blob and content(work, blob) for blob in (file.before, file.after)) for file in change.files
    }
    assert contents == {
        "changed": ("1", "2"),
        "gone": ("1", None),
        "moved/from": ("same", None),
        "moved/to": ("same", "same"),
        "new": (None, "2"),
    }


async def test_the_merge_base_may_be_given_instead_of_the_target(work: Work, sources: Sources) -> None:
    fork = work.commit({"a": "1"})
    head = work.commit({"a": "2"}, onto=work.commit({"b": "1"}, onto=fork, ref=TOPIC), ref=TOPIC)

    change = await changed(sources, fork, head, 2)

    assert (change.base, after(work, change), change.whole) == (fork, {"a": "2", "b": "1"}, True)
    assert brought(work, change) == {("a", "2"), ("b", "1")}


async def test_without_a_target_every_file_counts_as_changed(work: Work, sources: Sources) -> None:
    head = work.commit({"b/c": "2"}, onto=work.commit({"a": "1"}))

    change = await changed(sources, None, head, None)

    assert (change.base, after(work, change), change.seen, change.whole) == (None, {"a": "1", "b/c": "2"}, (), True)


@pytest.mark.parametrize("complete", [True, False])
async def test_a_branch_of_its_own_beginning_is_all_new(
    work: Work, sources: Sources, monkeypatch: pytest.MonkeyPatch, complete: bool
) -> None:
    main = work.commit({"a": "1"})
    if complete:
        await with_all_history(sources, main, monkeypatch)
    first = work.plant([f"100644 {work.blob('key')}\tleak"], ref=TOPIC)
    head = work.commit({"leak": None, "a": "1"}, onto=first, ref=TOPIC)

    change = await changed(sources, main, head, 2)

    assert (change.base, after(work, change), change.whole) == (None, {"a": "1"}, True)
    assert brought(work, change) == {("leak", "key"), ("a", "1")}


async def test_nothing_has_changed_when_the_head_is_in_the_target(work: Work, sources: Sources) -> None:
    head = work.commit({"a": "1"})

    change = await changed(sources, work.commit({"a": "2"}), head, 0)

    assert (change.base, change.files, change.seen, change.whole) == (head, (), (), True)


# ---- commits


async def test_what_was_added_and_removed_again_is_seen(work: Work, sources: Sources) -> None:
    fork = work.commit({"a": "1"})
    leak = work.commit({"leak": "key"}, onto=fork, ref=TOPIC)
    head = work.commit({"leak": None, "a": "2"}, onto=leak, ref=TOPIC)

    change = await changed(sources, fork, head, 2)

    assert after(work, change) == {"a": "2"}
    assert {(one.path, content(work, one.blob), one.commit) for one in change.seen} == {
        ("leak", "key", leak),
        ("a", "2", head),
    }


async def test_a_blob_that_was_a_link_first_is_seen_when_it_becomes_a_file(work: Work, sources: Sources) -> None:
    fork = work.commit({"a": "1"})
    key = work.blob("key")
    link = work.plant([f"120000 {key}\tleak"], parent=fork, ref=TOPIC)
    file = work.plant([f"100644 {key}\tleak"], parent=link, ref=TOPIC)
    head = work.commit({"leak": None}, onto=file, ref=TOPIC)

    change = await changed(sources, fork, head, 3)

    assert (change.files, [(one.path, one.commit) for one in change.seen]) == ((), [("leak", file)])


async def test_going_back_to_what_the_target_has_brings_nothing(work: Work, sources: Sources) -> None:
    fork = work.commit({"a": "old key"})
    head = work.commit({"a": "old key"}, onto=work.commit({"a": "2"}, onto=fork, ref=TOPIC), ref=TOPIC)

    change = await changed(sources, fork, head, 2)

    assert (change.files, brought(work, change)) == ((), {("a", "2")})


@pytest.mark.parametrize("complete", [True, False])
async def test_merging_the_target_brings_nothing_but_what_the_merge_itself_adds(
    work: Work, sources: Sources, monkeypatch: pytest.MonkeyPatch, complete: bool
) -> None:
    fork = work.commit({"a": "1", "both": "0"})
    own = work.commit({"own": "1", "both": "mine"}, onto=fork, ref=TOPIC)
    commits_on_main(work, 40)  # between the fork and what is merged, more than is fetched at first
    main = work.commit({"a": "main's", "both": "main's"}, onto=work._tip("refs/heads/main"))
    head = merged(work, own, main, {"a": "main's", "news": "39", "both": "mended", "evil": "key"})
    if complete:
        await with_all_history(sources, main, monkeypatch)

    change = await changed(sources, main, head, 2)

    assert (change.base, change.whole) == (main, True)
    assert after(work, change) == {"own": "1", "both": "mended", "evil": "key"}
    assert brought(work, change) == {("own", "1"), ("both", "mine"), ("both", "mended"), ("evil", "key")}


async def test_another_branch_that_is_merged_in_is_brought(work: Work, sources: Sources) -> None:
    fork = work.commit({"a": "1"})
    other = work.commit({"leak": None}, onto=work.commit({"leak": "key"}, onto=fork, ref="refs/heads/other"))
    head = merged(work, work.commit({"b": "1"}, onto=fork, ref=TOPIC), other, {})

    change = await changed(sources, fork, head, 4)

    assert brought(work, change) == {("b", "1"), ("leak", "key")}


async def test_dates_that_lie_hide_nothing(work: Work, sources: Sources) -> None:
    fork = work.commit({"a": "1"})
    empty = git(work.bare, "rev-parse", f"{fork}^{{tree}}")
    leaky = git(work.bare, "rev-parse", f"{work.commit({'leak': 'key'}, onto=fork, ref=TOPIC)}^{{tree}}")

    def dated(year: int, tree: str, *parents: str) -> str:
        onto = [word for parent in parents for word in ("-p", parent)]
        date = {"GIT_COMMITTER_DATE": f"{year}-01-01T00:00:00Z"}
        return git(work.bare, "commit-tree", tree, *onto, "-m", f"In {year}", env=date)

    leak = dated(2037, leaky, fork)
    head = dated(2038, empty, dated(2036, leaky, leak), dated(2001, empty, leak))
    git(work.bare, "update-ref", TOPIC, head)

    change = await changed(sources, fork, head, 4)

    assert [(one.path, one.commit) for one in change.seen] == [("leak", leak)]


async def test_only_the_newest_commits_of_very_many_are_looked_at(
    work: Work, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sources.changes.COMMITS", 2)
    fork = head = work.commit({"a": "0"})
    for number in range(1, 4):
        head = work.commit({"a": str(number)}, onto=head, ref=TOPIC)
    await with_all_history(sources, head, monkeypatch)

    change = await changed(sources, fork, head, 3)

    assert (change.base, after(work, change), change.whole) == (fork, {"a": "3"}, False)
    assert brought(work, change) == {("a", "2"), ("a", "3")}


# ---- fetching


async def test_a_first_preview_waits_for_no_years_of_history(server: GitServer, work: Work, sources: Sources) -> None:
    commits_on_main(work, 60)
    fork = git(work.bare, "rev-parse", "main")
    head = work.commit({"a": "1"}, onto=fork, ref=TOPIC)
    await sources.fetch(1, SHOP, head, TOKEN)
    server.requests.clear()

    change = await changed(sources, work.commit({"news": "later"}), head, 1)

    assert (change.base, after(work, change), change.whole) == (fork, {"a": "1"}, True)
    assert server.packs == 2  # more of the head, and the target
    assert int(git(sources._at(1), "rev-list", "--count", head)) < 40


async def test_a_fork_long_ago_is_found_by_asking_further(work: Work, sources: Sources) -> None:
    fork = work.commit({"a": "0"})
    head = work.commit({"a": "1"}, onto=fork, ref=TOPIC)

    change = await changed(sources, commits_on_main(work, 50), head, 1)

    assert (change.base, after(work, change), change.whole) == (fork, {"a": "1"}, True)


async def test_a_fork_too_long_ago_is_compared_with_the_target_and_not_whole(
    work: Work, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sources.changes.FURTHER", (1, 2))
    fork = work.commit({"a": "0"})
    head = work.commit({"leak": "key"}, onto=fork, ref=TOPIC)
    main = commits_on_main(work, 10)

    change = await changed(sources, main, head, 1)

    assert (change.base, after(work, change)) == (main, {"leak": "key", "news": None})
    assert (change.seen, change.whole) == ((), False)


async def test_the_target_short_and_the_head_long_blames_nobody_for_old_commits(work: Work, sources: Sources) -> None:
    fork = work.commit({"news": "x"}, onto=commits_on_main(work, 5))
    main = commits_on_main(work, 2)
    await sources.fetch(1, SHOP, main, TOKEN)  # without its history
    head = work.commit({"a": "1"}, onto=fork, ref=TOPIC)
    await sources.fetch(1, SHOP, head, TOKEN)  # with all of it
    assert git(sources._at(1), "rev-list", "--count", head, f"^{main}") == "7"

    change = await changed(sources, main, head, 1)

    assert (change.base, brought(work, change), change.whole) == (fork, {("a", "1")}, True)


async def test_a_head_that_came_alone_is_followed_to_its_fork(work: Work, sources: Sources) -> None:
    fork = work.commit({"a": "0"})
    head = work.commit({"leak": None}, onto=work.commit({"leak": "key"}, onto=fork, ref=TOPIC), ref=TOPIC)
    await sources.fetch(1, SHOP, head, TOKEN)  # without its history
    await sources.fetch(1, SHOP, fork, TOKEN)

    change = await changed(sources, fork, head, 2)

    assert (change.base, brought(work, change), change.whole) == (fork, {("leak", "key")}, True)


async def test_what_is_here_asks_the_server_for_nothing(server: GitServer, work: Work, sources: Sources) -> None:
    fork = work.commit({"a": "0"})
    head = work.commit({"a": "1"}, onto=fork, ref=TOPIC)
    first = await changed(sources, fork, head, 1)
    server.requests.clear()

    assert await changed(sources, fork, head, 1) == first
    assert server.requests == []


async def test_a_mirror_with_all_history_keeps_it(
    work: Work, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = commits_on_main(work, 50)
    await with_all_history(sources, old, monkeypatch)
    head = work.commit({"a": "1"}, onto=old, ref=TOPIC)

    change = await changed(sources, commits_on_main(work, 3), head, 1)

    assert (change.base, change.whole) == (old, True)
    assert not (sources._at(1) / "shallow").exists()
    assert git(sources._at(1), "rev-list", "--count", head) == "51"


async def test_the_history_comes_after_it_and_completes_the_mirror(
    work: Work, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sources.HISTORY_DELAY", 0.0)
    fork = commits_on_main(work, 50)
    head = work.commit({"a": "1"}, onto=fork, ref=TOPIC)

    await changed(sources, fork, head, 1)
    await asyncio.gather(*sources._histories.values())

    assert not (sources._at(1) / "shallow").exists()
    assert git(sources._at(1), "rev-list", "--count", head) == "51"


async def test_history_on_its_way_steps_aside(
    server: GitServer, work: Work, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sources.HISTORY_DELAY", 0.0)
    fork = commits_on_main(work, 40)
    head = work.commit({"a": "1"}, onto=fork, ref=TOPIC)
    server.hold, server.hold_words = asyncio.Event(), b"deepen 2147483647"
    await sources.fetch(1, SHOP, head, TOKEN)
    await asyncio.wait_for(server.holding.wait(), 10)

    change = await asyncio.wait_for(changed(sources, fork, head, 1), 10)

    assert (change.whole, brought(work, change)) == (True, {("a", "1")})


async def test_a_target_that_is_gone_leaves_the_files_of_the_head(work: Work, sources: Sources) -> None:
    head = work.commit({"b": "2"}, onto=work.commit({"a": "1"}))

    change = await changed(sources, "1" * 40, head, 1)

    assert (change.base, after(work, change), change.whole) == (None, {"a": "1", "b": "2"}, False)


async def test_a_head_that_is_gone_is_told_in_words(work: Work, sources: Sources) -> None:
    base = work.commit({"a": "1"})

    with pytest.raises(SourceUnavailable, match="force push"):
        await changed(sources, base, "1" * 40, 1)
    with pytest.raises(SourceUnavailable, match="name of a commit"):
        await changed(sources, "--upload-pack=x", base, 1)


async def test_a_server_that_is_away_is_worth_another_try(server: GitServer, work: Work, sources: Sources) -> None:
    base, head = work.commit({"a": "1"}), work.commit({"a": "2"}, ref=TOPIC)
    await sources.fetch(1, SHOP, head, TOKEN)
    sources._server_url = "http://127.0.0.1:1"

    with pytest.raises(GitHubDown):
        await changed(sources, base, head, 1)


async def test_a_server_that_is_slow_is_not_waited_for_long(
    server: GitServer, work: Work, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sources.changes.DEEPEN_SECONDS", 0.2)
    base, head = work.commit({"a": "1"}), work.commit({"b": "2"}, onto=work._tip("refs/heads/main"), ref=TOPIC)
    await sources.fetch(1, SHOP, head, TOKEN)
    server.hold = asyncio.Event()

    change = await changed(sources, base, head, 1)

    assert (change.base, after(work, change), change.whole) == (None, {"a": "1", "b": "2"}, False)


# ---- what is left out


async def test_names_of_any_kind_are_told_and_those_that_are_no_text_left_out(work: Work, sources: Sources) -> None:
    fork = work.commit({"a": "1"})
    names = ["new\nline", "quo\"te's", "-rf", "tab\t", ":100644 100644", "ünïcode", "back\\slash"]
    entries = [f"100644 {work.blob(os.fsencode(name))}\t{name}" for name in [*names, "caf\udce9", "x" * 300]]
    head = work.plant(entries, parent=fork, ref=TOPIC)

    change = await changed(sources, fork, head, 1)

    assert after(work, change) == {name: name for name in names} | {"tab\t": "tab"}  # `content` strips
    assert sorted(brought(work, change)) == sorted({**{name: name for name in names}, "tab\t": "tab"}.items())
    assert change.left_out == (
        "1 path not named in UTF-8: caf\ufffd",
        f"1 path with a name that is too long: {'x' * 80}",
    )


async def test_links_and_submodules_are_left_out_and_told(work: Work, sources: Sources) -> None:
    fork = work.commit({"was-file": "1", "a": "1"})
    entries = [
        f"120000 {work.blob('/etc/passwd')}\tlink",
        f"120000 {work.blob('a')}\twas-file",
        f"160000 {'1' * 40}\tmodule",
        f"100755 {work.blob('run')}\trun",
    ]
    head = work.plant(entries, parent=fork, ref=TOPIC)

    change = await changed(sources, fork, head, 1)

    assert after(work, change) == {"run": "run", "was-file": None}
    assert brought(work, change) == {("run", "run")}
    assert change.left_out == ("2 paths to a link: link, was-file", "1 path to a submodule: module")


async def test_large_files_are_left_out_but_locks_are_not(work: Work, sources: Sources) -> None:
    large = "x" * ((1 << 20) + 1)
    fork = work.commit({"shrinks": large, "grows": "1"})
    head = work.commit({"shrinks": "small", "grows": large, "web/uv.lock": large}, onto=fork, ref=TOPIC)

    change = await changed(sources, fork, head, 1)

    assert [(file.path, file.before is None) for file in change.files] == [("shrinks", True), ("web/uv.lock", True)]
    assert {one.path for one in change.seen} == {"shrinks", "web/uv.lock"}
    assert change.left_out == ("2 paths larger than 1 MiB: grows, shrinks",)


async def test_vendored_files_are_left_out_and_counted(work: Work, sources: Sources) -> None:
    fork = work.commit({"a": "1"})
    vendored = ["node_modules/x/index.js", "web/vendor/y.py", "dist/app.js", "static/jquery.min.js"]
    kept = ["vendor", "package-lock.json", "distribution/app.js", "min.js"]
    head = work.commit(dict.fromkeys([*vendored, *kept], "2"), onto=fork, ref=TOPIC)

    change = await changed(sources, fork, head, 1)

    assert set(after(work, change)) == {one.path for one in change.seen} == set(kept)
    assert change.left_out == ("4 paths in vendored or minified code",)


async def test_a_hundred_thousand_files_are_cut(work: Work, sources: Sources) -> None:
    fork = work.commit({"a": "1"})
    blob = work.blob("2")
    head = work.plant([f"100644 {blob}\tmany/{n:06}" for n in range(100_000)], parent=fork, ref=TOPIC)

    change = await changed(sources, fork, head, 1)

    assert (len(change.files), len(change.seen), change.whole) == (5000, 5000, False)
    assert change.left_out == ("95,000 paths above the first 5,000",)


async def test_more_bytes_than_a_scan_may_have_are_cut(
    work: Work, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sources.changes.ALL_BYTES", 10)
    fork = work.commit({"c": "1"})
    head = work.commit({"a": "12345", "b": "123456"}, onto=fork, ref=TOPIC)

    change = await changed(sources, fork, head, 1)

    assert set(after(work, change)) == {"a"}
    assert change.left_out[0].endswith("in all: b")


async def test_commits_that_change_more_than_can_be_read_make_it_not_whole(
    work: Work, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork = work.commit({"a": "1"})
    many = work.commit({f"{n}{'x' * 200}": "2" for n in range(50)}, onto=fork, ref=TOPIC)
    head = work.commit({f"{n}{'x' * 200}": None for n in range(50)} | {"a": "2"}, onto=many, ref=TOPIC)
    await sources.fetch(1, SHOP, head, TOKEN)
    monkeypatch.setattr("bot.sources.git.OUTPUT", 10_000)

    change = await changed(sources, fork, head, 2)

    assert (after(work, change), change.seen, change.whole) == ({"a": "2"}, (), False)


async def test_a_mirror_that_just_became_complete_stays_so(work: Work, sources: Sources) -> None:
    fork = work.commit({"a": "0"})
    head = work.commit({"a": "1"}, onto=fork, ref=TOPIC)
    await sources.fetch(1, SHOP, head, TOKEN)
    main = commits_on_main(work, 50)  # longer than what is fetched at first; the head's history is not

    change = await changed(sources, main, head, 1)

    assert (change.base, change.whole) == (fork, True)
    assert not (sources._at(1) / "shallow").exists()
    assert git(sources._at(1), "rev-list", "--count", main) == "51"
