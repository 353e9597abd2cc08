"""A bare repository on disk, driven through git's plumbing: no hooks, no configuration of this machine."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ZERO = "0" * 40
SHA = re.compile(r"[0-9a-f]{40}")
_ANY_DATE = 1_000_000_000  # of a commit that only its tree is wanted of
_SHORT = re.compile(r"[0-9a-f]{7,40}")
_NAME = re.compile(r"(?!/)(?!.*(?:\.\.|//|@\{|\.lock$))[A-Za-z0-9_][\w./@+-]*(?<![./])", re.ASCII)
_STATUS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}


class GitFailed(Exception):
    """git refused; the text is what it said, `code` its exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Conflict(Exception):
    """The two sides change the same lines."""


@dataclass(frozen=True, slots=True)
class Ident:
    """Who, as git writes it, and when (ISO 8601)."""

    name: str
    email: str
    date: str


@dataclass(frozen=True, slots=True)
class Commit:
    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Ident
    committer: Ident
    message: str


@dataclass(frozen=True, slots=True)
class Change:
    """One file of a difference.  `patch` is None for binary files."""

    path: str
    status: str  # added, removed, modified, renamed, copied, changed
    blob: str
    additions: int
    deletions: int
    patch: str | None
    previous: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a tree: type is blob, tree or commit (a submodule)."""

    mode: str
    type: str
    sha: str
    size: int
    path: str


def environment(**extra: str) -> dict[str, str]:
    """What git may see of this machine: nothing that would make two machines differ."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        **extra,
    }


def is_branch(name: str) -> bool:
    """Whether git would take it for the name of a branch (a little stricter than git itself)."""
    return bool(_NAME.fullmatch(name)) and len(name) < 240


class Bare:
    """One repository.  Every method starts a process of its own; none blocks the event loop."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writing = asyncio.Lock()  # who changes refs and tells of it holds this

    async def run(self, *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> bytes:
        """The standard output of a git command.  Raises GitFailed."""
        process = await asyncio.create_subprocess_exec(
            "git",
            "--git-dir",
            str(self.path),
            "-c",
            f"core.hooksPath={os.devnull}",
            *args,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(**(env or {})),
        )
        out, err = await process.communicate(stdin)
        if process.returncode:
            raise GitFailed(f"git {args[0]}: {err.decode(errors='replace').strip()[-2000:]}", process.returncode)
        return out

    async def init(self, branch: str) -> None:
        await asyncio.to_thread(self.path.mkdir, parents=True)
        await self.run("init", "--quiet", "--bare", f"--initial-branch={branch}", "--template=", str(self.path))
        await asyncio.to_thread(self.allow)

    def allow(self) -> None:
        """Serve any commit by its id, as GitHub does; let nobody push GitHub's own refs."""
        lines = (
            "[http]\n\treceivepack = true\n\tuploadpack = true\n"
            "[uploadpack]\n\tallowAnySHA1InWant = true\n\tallowFilter = true\n"
            "[receive]\n\thideRefs = refs/pull\n\tfsckObjects = true\n[gc]\n\tauto = 0\n"
        )
        with (self.path / "config").open("a") as config:
            config.write(lines)

    async def refs(self) -> dict[str, str]:
        """Branches and tags: full name to commit (or tag object)."""
        out = await self.run("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags")
        pairs = (line.split(" ", 1) for line in out.decode().splitlines())
        return {name: sha for sha, name in pairs}

    async def resolve(self, rev: str) -> str | None:
        """The commit that GitHub would take `rev` for: full id, branch, tag, qualified ref, abbreviated id."""
        tries = [f"refs/heads/{rev}", f"refs/tags/{rev}", f"refs/{rev}"] if is_branch(rev) else []
        if SHA.fullmatch(rev):
            tries.insert(0, rev)
        elif _SHORT.fullmatch(rev):
            tries.append(rev)
        if rev == "HEAD":
            tries = ["HEAD"]
        for name in tries:
            try:
                return (await self.run("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}")).decode().strip()
            except GitFailed:
                continue
        return None

    async def log(self, *revs: str, limit: int = 250) -> list[Commit]:
        """Newest first.  `revs` are commit ids, or ^ids to leave out."""
        form = "%H%n%T%n%P%n%an%n%ae%n%aI%n%cn%n%ce%n%cI%n%B"
        out = await self.run("log", "-z", f"--max-count={limit}", f"--format={form}", *revs, "--")
        return [_commit(text) for text in out.decode(errors="replace").split("\0") if text]

    async def commit(self, sha: str) -> Commit:
        return (await self.log(sha, limit=1))[0]

    async def merge_base(self, one: str, other: str) -> str | None:
        try:
            return (await self.run("merge-base", one, other)).decode().strip()
        except GitFailed:
            return None

    async def count(self, *revs: str) -> int:
        return int(await self.run("rev-list", "--count", *revs, "--"))

    async def changes(self, old: str | None, new: str, *, patches: bool = True) -> list[Change]:
        """What `new` does to `old` (None: to an empty tree)."""
        before = old or (await self.run("hash-object", "-t", "tree", os.devnull)).decode().strip()
        flags = ("diff-tree", "-r", "-M", "--no-ext-diff", "--no-textconv", "--full-index")
        raw = await self.run(*flags, "-z", "--raw", "--numstat", before, new)
        rows = list(_raw(raw.decode(errors="surrogateescape")))
        texts: list[str] = []
        if patches and rows:
            diff = await self.run(*flags, "-p", before, new)
            texts = re.split(r"^diff --git .*\n", diff.decode(errors="replace"), flags=re.MULTILINE)[1:]
        found = []
        for at, (path, previous, status, blob, added, removed) in enumerate(rows):
            patch = _hunks(texts[at]) if at < len(texts) and added is not None else None
            found.append(Change(path, status, blob, added or 0, removed or 0, patch, previous))
        return found

    async def entry(self, rev: str, path: str) -> Entry | None:
        """The file, folder or submodule at `path`."""
        rows = await self._tree(rev, path)
        return rows[0] if rows else None

    async def children(self, rev: str, path: str) -> list[Entry]:
        """What lies in the folder `path`; "" is the root."""
        return await self._tree(rev, f"{path}/" if path else "")

    async def _tree(self, rev: str, path: str) -> list[Entry]:
        out = await self.run("ls-tree", "-z", "-l", "--full-tree", rev, "--", *([path] if path else []))
        rows = []
        for line in out.decode(errors="replace").split("\0"):
            if line:
                head, name = line.split("\t", 1)
                mode, kind, sha, size = head.split()
                rows.append(Entry(mode, kind, sha, int(size) if size != "-" else 0, name))
        return rows

    async def blob(self, sha: str) -> bytes:
        return await self.run("cat-file", "blob", sha)

    async def point(self, ref: str, sha: str | None) -> None:
        """Make `ref` lead to `sha`; None removes it."""
        await self.run("update-ref", "-d", ref) if sha is None else await self.run("update-ref", ref, sha)

    async def write(
        self,
        branch: str,
        files: Mapping[str, bytes],
        *,
        message: str,
        author: tuple[str, str],
        when: int,
        parent: str | None,
        delete: Iterable[str] = (),
        executable: Iterable[str] = (),
    ) -> str:
        """A commit on `branch` that is `parent` (None: an empty tree) with `files` written and `delete` removed."""
        runs = set(executable)
        name, email = (re.sub(r"[<>\n\0]", "", part).strip() for part in author)
        who = f"{name} <{email}> {when} +0000".encode()
        text = message.encode()
        ref = f"refs/heads/{branch}".encode()
        feed = [b"commit %s\nmark :1\nauthor %s\ncommitter %s\ndata %d\n%s\n" % (ref, who, who, len(text), text)]
        feed.append(b"from %s\n" % parent.encode() if parent else b"")
        feed += [b"D %s\n" % _quote(path) for path in delete]
        for path, content in files.items():
            mode = b"100755" if path in runs else b"100644"
            feed.append(b"M %s inline %s\ndata %d\n%s\n" % (mode, _quote(path), len(content), content))
        feed.append(b"\nget-mark :1\ndone\n")
        out = await self.run("fast-import", "--quiet", "--force", "--done", stdin=b"".join(feed))
        return out.decode().split()[-1]

    async def join(self, tree: str, parents: Iterable[str], message: str, author: tuple[str, str], when: int) -> str:
        """A commit of a tree that is there already."""
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return (
            (await self.run("commit-tree", tree, *flags, stdin=message.encode(), env=_signed(author, when)))
            .decode()
            .strip()
        )

    async def merged_tree(self, base: str, head: str) -> str:
        """The tree of `head` merged into `base`.  Raises Conflict."""
        if await self.merge_base(base, head) == base:
            return (await self.commit(head)).tree
        return await self._three_way(base, head)

    async def _three_way(self, base: str, head: str) -> str:
        with tempfile.TemporaryDirectory(prefix="merge-") as folder:
            tree = str(Path(folder) / "tree")
            env = _signed(("merge", "merge@localhost"), _ANY_DATE)
            await self.run("worktree", "add", "--quiet", "--detach", tree, base)
            try:
                await self.run("-C", tree, "--git-dir", f"{tree}/.git", "merge", "--no-edit", "--quiet", head, env=env)
                out = await self.run("-C", tree, "--git-dir", f"{tree}/.git", "rev-parse", "HEAD^{tree}")
            except GitFailed as error:
                if error.code == 1:
                    raise Conflict(str(error)) from error
                raise
            finally:
                await self.run("worktree", "remove", "--force", tree)
        return out.decode().strip()


def _signed(author: tuple[str, str], when: int) -> dict[str, str]:
    name, email = author
    date = f"{when} +0000"
    return {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
        "GIT_COMMITTER_DATE": date,
    }


def _quote(path: str) -> bytes:
    """A path as fast-import reads it when it starts with a quotation mark."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'.encode()


def _commit(text: str) -> Commit:
    sha, tree, parents, an, ae, ad, cn, ce, cd, message = text.split("\n", 9)
    people = Ident(an, ae, ad), Ident(cn, ce, cd)
    return Commit(sha, tree, tuple(parents.split()), *people, message.rstrip("\n"))


def _hunks(text: str) -> str:
    at = text.find("@@ ")
    return text[at:].rstrip("\n") if at >= 0 else ""


_Row = tuple[str, str | None, str, str, int | None, int | None]


def _raw(text: str) -> Iterable[_Row]:
    """`--raw --numstat -z`: first all raw records, then all counts, in the same order."""
    words = text.split("\0")
    heads: list[tuple[str, str | None, str, str]] = []
    at = 0
    while at < len(words) and words[at].startswith(":"):
        _, _, _, blob, letter = words[at].split(" ")
        if letter[0] in "RC":
            heads.append((words[at + 2], words[at + 1], _STATUS[letter[0]], blob))
            at += 3
        else:
            heads.append((words[at + 1], None, _STATUS.get(letter[0], "changed"), blob))
            at += 2
    for path, previous, status, blob in heads:
        added, removed, _ = words[at].split("\t", 2)
        at += 3 if previous is not None else 1
        counts = (None, None) if added == "-" else (int(added), int(removed))
        yield path, previous, status, blob, *counts
