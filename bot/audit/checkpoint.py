"""Checkpoints: the head of the chain, signed, to be kept where the database's owner cannot reach.

A line of an anchor is one JSON object; `sig` is Ed25519 over the rest of it in canonical form.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class BadAnchor(ValueError):
    """A line of the anchor was not written by the key it should be from."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Line `seq` had this digest at `at` (Unix seconds)."""

    seq: int
    digest: str
    at: int


def sign(mark: Checkpoint, key: Ed25519PrivateKey) -> str:
    """A line for the anchor, without its line feed."""
    said = {"at": mark.at, "digest": mark.digest, "key": public_key(key), "seq": mark.seq}
    return _compact({**said, "sig": key.sign(_compact(said).encode()).hex()})


def public_key(key: Ed25519PrivateKey) -> str:
    """The public half, in hex."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def read_anchor(lines: Iterable[str], key: str | None = None) -> list[Checkpoint]:
    """The checkpoints of an anchor, all signed by `key` (hex; None: by the key that the first line names).

    What a crash left half written is no JSON and is passed over.  Raises BadAnchor with the line's number."""
    marks: list[Checkpoint] = []
    for number, line in enumerate(lines, 1):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        try:
            signature = bytes.fromhex(said.pop("sig"))
            mark = Checkpoint(said["seq"], said["digest"], said["at"])
            key = key or said["key"]
            if said["key"] != key:
                raise BadAnchor(f"Line {number} of the anchor was signed with another key.")
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signature, _compact(said).encode())
        except BadAnchor:
            raise
        except (InvalidSignature, ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadAnchor(f"Line {number} of the anchor has no valid signature.") from error
        marks.append(mark)
    return marks


def _compact(said: dict[str, object]) -> str:
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
