"""Webhooks as GitHub sends them: signed, one try, kept for the list of deliveries."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import uuid
from dataclasses import dataclass, field

import aiohttp

from demo.github.hub import Hub
from demo.github.records import Installation, Json, Repo, User, node_id, stamp
from demo.github.shapes import accounts, repositories

PATIENCE = 10.0  # seconds until GitHub calls a delivery failed
_KEPT = 10_000
_ANSWER = 64 * 1024  # bytes of an answer that are kept


@dataclass(slots=True)
class HookDelivery:
    """One try at telling the app something.  `status` is "OK" or GitHub's words for what went wrong."""

    id: int
    guid: str
    event: str
    action: str | None
    installation_id: int | None
    repository_id: int | None
    payload: Json
    redelivery: bool
    at: float
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    duration: float = 0.0
    status: str = "pending"
    status_code: int = 0
    answer: str = ""
    answer_headers: dict[str, str] = field(default_factory=dict)

    def as_json(self, *, whole: bool = False) -> Json:
        shape: Json = {
            "id": self.id,
            "guid": self.guid,
            "delivered_at": stamp(self.at),
            "redelivery": self.redelivery,
            "duration": round(self.duration, 2),
            "status": self.status,
            "status_code": self.status_code,
            "event": self.event,
            "action": self.action,
            "installation_id": self.installation_id,
            "repository_id": self.repository_id,
            "throttled_at": None,
        }
        if whole:
            shape["url"] = self.url
            shape["request"] = {"headers": self.headers, "payload": self.payload}
            shape["response"] = {"headers": self.answer_headers, "payload": self.answer}
        return shape


class Hooks:
    """Sends in the order things happened, one after another, in a task of its own."""

    def __init__(self, hub: Hub, secret: str, url: str | None) -> None:
        self.hub, self.secret, self.url = hub, secret, url
        self.deliveries: dict[int, HookDelivery] = {}  # oldest first
        self._queue: asyncio.Queue[HookDelivery] = asyncio.Queue()

    def tell(self, event: str, repo: Repo, sender: User, payload: Json) -> HookDelivery | None:
        """Something happened in a repository.  None: nobody installed the app there, or it has no webhook."""
        one = self.hub.installation_of(repo.owner)
        if one is None:
            return None
        shape = repositories.pushed_repository if event == "push" else repositories.repository
        whole = {**payload, "repository": shape(self.hub, repo)}
        if repo.owner.type == "Organization":
            whole["organization"] = accounts.organization(self.hub, repo.owner)
        whole["sender"] = accounts.user(self.hub, sender)
        whole["installation"] = {"id": one.id, "node_id": node_id("IntegrationInstallation", one.id)}
        return self._post(event, whole, one, repo)

    def tell_of_installation(self, event: str, one: Installation, sender: User, payload: Json) -> HookDelivery | None:
        """`installation` and `installation_repositories`, which carry the installation whole."""
        whole = {**payload, "installation": accounts.installation(self.hub, one)}
        whole["sender"] = accounts.user(self.hub, sender)
        return self._post(event, whole, one, None)

    def _post(self, event: str, payload: Json, one: Installation, repo: Repo | None) -> HookDelivery | None:
        if self.url is None:
            return None
        number, guid = self.hub.new_id("delivery"), str(uuid.uuid4())
        about = repo.id if repo else None
        frozen = json.loads(json.dumps(payload))  # what happens later must not change what was said
        delivery = HookDelivery(
            *(number, guid, event, payload.get("action"), one.id, about, frozen, False, self.hub.now(), self.url)
        )
        return self._enqueue(delivery)

    def redeliver(self, number: int) -> HookDelivery:
        """The same payload under the same GUID.  Raises KeyError."""
        old = self.deliveries[number]
        delivery = HookDelivery(
            *(self.hub.new_id("delivery"), old.guid, old.event, old.action, old.installation_id, old.repository_id),
            *(old.payload, True, self.hub.now(), self.url or old.url),
        )
        return self._enqueue(delivery)

    def _enqueue(self, delivery: HookDelivery) -> HookDelivery:
        self.deliveries[delivery.id] = delivery
        while len(self.deliveries) > _KEPT:
            del self.deliveries[next(iter(self.deliveries))]
        self._queue.put_nowait(delivery)
        return delivery

    async def settled(self) -> None:
        """Wait until every delivery was answered, refused or given up."""
        await self._queue.join()

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=PATIENCE), auto_decompress=False
        ) as session:
            while True:
                delivery = await self._queue.get()
                try:
                    await self._send(session, delivery)
                finally:
                    self._queue.task_done()

    async def _send(self, session: aiohttp.ClientSession, delivery: HookDelivery) -> None:
        body = json.dumps(delivery.payload, separators=(",", ":"), ensure_ascii=False).encode()
        delivery.headers = self._headers(delivery, body)
        started = asyncio.get_running_loop().time()
        try:
            async with session.post(
                delivery.url, data=body, headers=delivery.headers, allow_redirects=False
            ) as response:
                delivery.answer = (await response.content.read(_ANSWER)).decode(errors="replace")
                delivery.answer_headers = dict(response.headers)
                delivery.status_code = response.status
                delivery.status = "OK" if response.ok else f"Invalid HTTP Response: {response.status}"
        except TimeoutError:
            delivery.status = "timed out"
        except aiohttp.ClientError:
            delivery.status = "failed to connect to host"
        delivery.duration = asyncio.get_running_loop().time() - started

    def _headers(self, delivery: HookDelivery, body: bytes) -> dict[str, str]:
        key = self.secret.encode()
        return {
            "User-Agent": "GitHub-Hookshot/demo",
            "Accept": "*/*",
            "Content-Type": "application/json",
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Delivery": delivery.guid,
            "X-GitHub-Hook-ID": "1",
            "X-GitHub-Hook-Installation-Target-ID": self.hub.app_id,
            "X-GitHub-Hook-Installation-Target-Type": "integration",
            "X-Hub-Signature": f"sha1={hmac.new(key, body, hashlib.sha1).hexdigest()}",
            "X-Hub-Signature-256": f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}",
        }
