"""Check runs, commit statuses and deployments: the app makes them, people ask for them again."""

from __future__ import annotations

from demo.github.actions.queue import Queue
from demo.github.hub import Missing
from demo.github.records import Check, Deployment, DeploymentStatus, Json, Repo, Suite, User
from demo.github.shapes import checks


class Checks(Queue):
    def find_check(self, repo: Repo, number: int) -> Check:
        """Raises Missing."""
        try:
            return repo.checks[number]
        except KeyError:
            raise Missing(f"no check run {number}") from None

    def tell_of_check(self, repo: Repo, one: Check, action: str, sender: User, **more: object) -> None:
        shape = checks.check(self.hub, repo, one, nested=True)
        self.hooks.tell("check_run", repo, sender, {"action": action, "check_run": shape, **more})
        self.hub.touch()

    def _repo_of(self, check_run_id: int) -> Repo:
        for repo in self.hub.repos.values():
            if check_run_id in repo.checks:
                return repo
        raise Missing(f"no check run {check_run_id}")

    async def rerequest(self, check_run_id: int, user: str | None = None) -> None:
        """Somebody presses "Re-run": the run itself does not change.  Raises Missing."""
        repo = self._repo_of(check_run_id)
        one = repo.checks[check_run_id]
        one.suite.reset = True
        self.tell_of_check(repo, one, "rerequested", self.hub.user(user) if user else self.hub.keeper(repo.owner))

    async def press(self, check_run_id: int, identifier: str, user: str) -> None:
        """Somebody presses one of the app's own buttons on a check run.  Raises Missing."""
        repo = self._repo_of(check_run_id)
        one = repo.checks[check_run_id]
        if all(action["identifier"] != identifier for action in one.actions):
            raise Missing(f"no button {identifier!r} on check run {check_run_id}")
        asked = {"identifier": identifier}
        self.tell_of_check(repo, one, "requested_action", self.hub.user(user), requested_action=asked)

    async def rerequest_suite(self, repo: str, sha: str, user: str | None = None) -> None:
        """Somebody presses "Re-run all checks".  Raises Missing."""
        where = self.hub.repo(repo)
        if sha not in where.suites:
            raise Missing(f"no check suite for {sha}")
        self.reset_suite(where, where.suites[sha], self.hub.user(user) if user else self.hub.keeper(where.owner))

    def reset_suite(self, repo: Repo, suite: Suite, sender: User) -> None:
        suite.reset, suite.updated_at = True, self.hub.now()
        shape = checks.suite(self.hub, repo, suite)
        self.hooks.tell("check_suite", repo, sender, {"action": "rerequested", "check_suite": shape})

    def tell_of_deployment(self, repo: Repo, one: Deployment, sender: User) -> None:
        shape = checks.deployment(self.hub, repo, one)
        told: Json = {"action": "created", "deployment": shape, "workflow": None, "workflow_run": None}
        self.hooks.tell("deployment", repo, sender, told)
        self.hub.touch()

    def tell_of_deployment_status(self, repo: Repo, of: Deployment, one: DeploymentStatus, sender: User) -> None:
        self.hub.touch()
        if one.state == "inactive":
            return  # GitHub says nothing of these
        told: Json = {
            "action": "created",
            "deployment_status": checks.deployment_status(self.hub, repo, of, one),
            "deployment": checks.deployment(self.hub, repo, of),
            "check_run": None,
            "workflow": None,
            "workflow_run": None,
        }
        self.hooks.tell("deployment_status", repo, sender, told)
