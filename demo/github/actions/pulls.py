"""Pull requests are opened, changed, talked about, merged and closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from demo.github.actions.repositories import Repositories
from demo.github.git import Conflict
from demo.github.hub import Missing
from demo.github.records import Comment, Label, Moment, Prepared, Pull, Reaction, Repo, Review, User
from demo.github.shapes import pulls

Method = Literal["merge", "squash"]
_VERDICTS = {"APPROVED": "approved", "CHANGES_REQUESTED": "asked for changes"}


class NotMergeable(Exception):
    """Closed, a draft, or in conflict; the text says which."""


class Pulls(Repositories):
    async def open_pull(
        self,
        repo: str,
        head: str,
        base: str,
        title: str,
        body: str,
        user: str,
        draft: bool = False,
        fork_of: str | None = None,
    ) -> int:
        """Propose branch `head` of `repo` for `base`; with `fork_of`, to that repository, which `repo` is a fork of.

        Returns the number.  Raises Missing when one of the branches does not exist.
        """
        source, target = self.hub.repo(repo), self.hub.repo(fork_of or repo)
        head_sha, base_sha = await source.git.resolve(f"heads/{head}"), await target.git.resolve(f"heads/{base}")
        if head_sha is None or base_sha is None:
            raise Missing(f"no branch {head if head_sha is None else base}")
        async with target.git.writing:
            target.numbers += 1
            now, author = self.hub.now(), self.hub.user(user)
            pull = Pull(
                id=self.hub.new_id("pull"),
                number=target.numbers,
                repo=target,
                title=title,
                body=body,
                user=author,
                head_repo=source,
                head_ref=head,
                head_sha=head_sha,
                base_ref=base,
                base_sha=base_sha,
                created_at=now,
                updated_at=now,
                draft=draft,
            )
            target.pulls[pull.number] = pull
            await self.follow(pull, head_sha)
        self._log(pull, author, "began with", head_sha)
        self.tell_of_pull(pull, "opened", author)
        return pull.number

    def _pull(self, repo: str, number: int, user: str | None) -> tuple[Pull, User]:
        pull = self.hub.pull(repo, number)
        return pull, self.hub.user(user) if user else pull.user

    def _log(self, pull: Pull, sender: User, words: str, sha: str | None = None) -> None:
        pull.updated_at = self.hub.now()
        pull.timeline.append(Moment(pull.updated_at, sender, words, sha))

    async def close_pull(self, repo: str, number: int, user: str | None = None) -> None:
        """Without merging.  `user` is the author when not told, here and below."""
        pull, sender = self._pull(repo, number, user)
        if pull.state == "open":
            self.close(pull, sender)

    async def reopen(self, repo: str, number: int, user: str | None = None) -> None:
        """Raises NotMergeable when it was merged, Missing when its branch is gone."""
        pull, sender = self._pull(repo, number, user)
        if pull.merged:
            raise NotMergeable("It was merged.")
        sha = await pull.head_repo.git.resolve(f"heads/{pull.head_ref}")
        if sha is None:
            raise Missing(f"no branch {pull.head_ref}")
        await self.follow(pull, sha)
        pull.state, pull.closed_at = "open", None
        self._log(pull, sender, "reopened this")
        self.tell_of_pull(pull, "reopened", sender)

    async def edit_base(self, repo: str, number: int, base: str, user: str | None = None) -> None:
        """Propose it for another branch.  Raises Missing."""
        pull, sender = self._pull(repo, number, user)
        sha = await pull.repo.git.resolve(f"heads/{base}")
        if sha is None:
            raise Missing(f"no branch {base}")
        changes = {"base": {"ref": {"from": pull.base_ref}, "sha": {"from": pull.base_sha}}}
        pull.base_ref = base
        await self.follow(pull, pull.head_sha)
        self._log(pull, sender, f"changed the base branch to {base}")
        self.tell_of_pull(pull, "edited", sender, changes=changes)

    async def edit_title(self, repo: str, number: int, title: str, user: str | None = None) -> None:
        pull, sender = self._pull(repo, number, user)
        changes = {"title": {"from": pull.title}}
        pull.title = title
        self._log(pull, sender, "changed the title")
        self.tell_of_pull(pull, "edited", sender, changes=changes)

    async def set_draft(self, repo: str, number: int, draft: bool, user: str | None = None) -> None:
        pull, sender = self._pull(repo, number, user)
        if pull.draft != draft:
            pull.draft = draft
            self._log(pull, sender, "marked this as a draft" if draft else "marked this as ready for review")
            self.tell_of_pull(pull, "converted_to_draft" if draft else "ready_for_review", sender)

    async def label(self, repo: str, number: int, name: str, user: str | None = None) -> None:
        """Put a label on it, made when the repository has none of that name."""
        pull, sender = self._pull(repo, number, user)
        label = pull.repo.labels.setdefault(name.lower(), Label(self.hub.new_id("label"), name))
        if name not in pull.labels:
            pull.labels.append(name)
            self._log(pull, sender, f"added the label {name}")
            self.tell_of_pull(pull, "labeled", sender, label=pulls.label(self.hub, pull.repo, label))

    # -- merging

    async def mergeable(self, pull: Pull) -> bool:
        base = await pull.repo.git.resolve(f"heads/{pull.base_ref}")
        try:
            await pull.repo.git.merged_tree(base or pull.base_sha, pull.head_sha)
        except Conflict:
            return False
        return True

    async def merge_pull(
        self,
        repo: str,
        number: int,
        user: str | None = None,
        method: Method = "merge",
        title: str | None = None,
    ) -> str:
        """Merge for real; returns the new commit on the base branch.  Raises NotMergeable."""
        pull, sender = self._pull(repo, number, user)
        if pull.state != "open" or pull.draft:
            raise NotMergeable("It is a draft." if pull.draft else "It is not open.")
        async with pull.repo.git.writing:
            before = await pull.repo.git.refs()
            base = before.get(f"refs/heads/{pull.base_ref}")
            if base is None:
                raise NotMergeable("Its base branch is gone.")
            sha = await self._merged(pull, base, sender, method, title)
            await pull.repo.git.point(f"refs/heads/{pull.base_ref}", sha)
            pull.merged_at = pull.closed_at = self.hub.now()
            pull.state, pull.merged_by, pull.merge_sha = "closed", sender, sha
            self._log(pull, sender, "merged", sha)
            self.tell_of_pull(pull, "closed", sender)
            await self.refs_changed(pull.repo, before, sender)
        return sha

    async def _merged(self, pull: Pull, base: str, sender: User, method: Method, title: str | None) -> str:
        git, when = pull.repo.git, int(self.hub.now())
        try:
            tree = await git.merged_tree(base, pull.head_sha)
        except Conflict:
            raise NotMergeable("It conflicts with its base branch.") from None
        if method == "merge":
            source = f"{pull.head_repo.owner.login}/{pull.head_ref}"
            text = f"{title or f'Merge pull request #{pull.number} from {source}'}\n\n{pull.title}\n"
            return await git.join(tree, (base, pull.head_sha), text, sender.ident, when)
        text = f"{title or f'{pull.title} (#{pull.number})'}\n"
        return await git.join(tree, (base,), text, pull.user.ident, when)

    # -- talking

    async def comment(self, repo: str, number: int, user: str, body: str, by_email: bool = False) -> int:
        """Returns the comment's id."""
        pull, sender = self._pull(repo, number, user)
        return self.write_comment(pull, sender, body, self.hub.new_id("comment"), by_email).id

    def write_comment(self, pull: Pull, sender: User, body: str, number: int, by_email: bool = False) -> Comment:
        now = self.hub.now()
        one = Comment(number, pull.number, sender, body, now, now, sender is self.hub.bot, by_email)
        pull.repo.comments[one.id] = one
        pull.updated_at = now
        self._tell_of_comment(pull.repo, one, "created", sender)
        return one

    async def edit_comment(self, repo: str, comment: int, body: str, user: str | None = None) -> None:
        """Raises Missing."""
        where = self.hub.repo(repo)
        one = self.find_comment(where, comment)
        self.rewrite_comment(where, one, body, self.hub.user(user) if user else one.user)

    def find_comment(self, repo: Repo, number: int) -> Comment:
        """Raises Missing."""
        try:
            return repo.comments[number]
        except KeyError:
            raise Missing(f"no comment {number}") from None

    def rewrite_comment(self, repo: Repo, one: Comment, body: str, sender: User) -> None:
        changes = {"body": {"from": one.body}}
        one.body, one.updated_at = body, self.hub.now()
        self._tell_of_comment(repo, one, "edited", sender, changes=changes)

    def delete_comment(self, repo: Repo, one: Comment, sender: User) -> None:
        self._tell_of_comment(repo, one, "deleted", sender)
        del repo.comments[one.id]

    def _tell_of_comment(self, repo: Repo, one: Comment, action: str, sender: User, **more: object) -> None:
        issue = pulls.issue(self.hub, repo.pulls[one.number])
        told = {"action": action, "issue": issue, "comment": pulls.comment(self.hub, repo, one), **more}
        self.hooks.tell("issue_comment", repo, sender, told)
        self.hub.touch()

    def react(self, reactions: list[Reaction], sender: User, content: str, number: int) -> tuple[Reaction, bool]:
        """The reaction, and whether it is new: everybody has each only once."""
        for one in reactions:
            if one.user is sender and one.content == content:
                return one, False
        one = Reaction(number, sender, content, self.hub.now())
        reactions.append(one)
        self.hub.touch()
        return one, True

    async def review(self, repo: str, number: int, user: str, state: str = "APPROVED", body: str = "") -> int:
        """APPROVED, CHANGES_REQUESTED or COMMENTED at the head of now; returns the review's id."""
        pull, sender = self._pull(repo, number, user)
        return self.write_review(pull, sender, state, body, self.hub.new_id("review")).id

    def write_review(self, pull: Pull, sender: User, state: str, body: str, number: int) -> Review:
        one = Review(number, sender, state, body, pull.head_sha, self.hub.now())
        pull.reviews.append(one)
        shape = pulls.review(self.hub, pull, one) | {"state": state.lower(), "body": body or None}
        told = {"action": "submitted", "review": shape, "pull_request": pulls.simple(self.hub, pull)}
        self.hooks.tell("pull_request_review", pull.repo, sender, told)
        self._log(pull, sender, _VERDICTS.get(state, "reviewed"))
        self.hub.touch()
        return one

    # -- changes that wait for a button

    def prepare(
        self, repo: str, number: int, title: str, files: Mapping[str, str | bytes], delete: tuple[str, ...] = ()
    ) -> None:
        """Offer a change on the pull request's page; pressing it pushes a commit called `title` to its branch."""
        content = {path: body.encode() if isinstance(body, str) else body for path, body in files.items()}
        self.hub.pull(repo, number).prepared.append(Prepared(title, content, delete))
        self.hub.touch()

    async def push_prepared(self, repo: str, number: int, title: str, user: str | None = None) -> str:
        """Returns the commit's id.  Raises Missing."""
        pull, sender = self._pull(repo, number, user)
        chosen = next((one for one in pull.prepared if one.title == title), None)
        if chosen is None:
            raise Missing(f"no prepared change {title!r}")
        pull.prepared.remove(chosen)
        head = pull.head_repo.full_name
        return await self.branch_commit(
            head, pull.head_ref, chosen.files, chosen.title, sender.login, delete=chosen.delete
        )
