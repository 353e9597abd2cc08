"""Which port a program really listens on, asked of the kernel: `PORT` is a wish that programs may ignore."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

# Inspectors that open before or beside the app: Java, debugpy, Chrome, node.
DEBUG_PORTS = frozenset({5005, 5678, 9222, 9229, 9230})
_LISTEN = "0A"  # TCP_LISTEN in the kernel's tcp_states.h


class Listener(NamedTuple):
    """One listening TCP socket."""

    ip: str
    port: int


def parse_tcp_table(text: str) -> dict[int, Listener]:
    """The listening sockets, by inode, in the text of /proc/net/tcp, tcp6, or one after the other."""
    found: dict[int, Listener] = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) > 9 and fields[3] == _LISTEN:
            address, _, port = fields[1].partition(":")
            found[int(fields[9])] = Listener(_address(address), int(port, 16))
    return found


def listening(pids: Iterable[int]) -> list[Listener]:
    """What these processes listen on.  Blocks for a millisecond or so (Linux), 50 and more elsewhere (lsof)."""
    if sys.platform != "linux":
        return _ask_lsof(pids)
    inodes = {inode for pid in pids for inode in _sockets(pid)}
    if not inodes:
        return []
    table = parse_tcp_table("".join(_read(f"/proc/net/{name}") for name in ("tcp", "tcp6")))
    return sorted({listener for inode, listener in table.items() if inode in inodes}, key=lambda each: each.port)


def candidates(listeners: Iterable[Listener], asked: int | None) -> list[Listener]:
    """In the order worth trying: the port that was asked for, then the lowest; debuggers last."""
    return sorted(listeners, key=lambda each: (each.port != asked, each.port in DEBUG_PORTS, each.port, each.ip))


def reachable(ip: str) -> str:
    """The address of this machine at which a socket bound to `ip` answers."""
    return {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(ip, ip)  # noqa: S104


def accepts(port: int) -> bool:
    """Something at 127.0.0.1 takes connections on this port.  Answers at once: the loopback does not wait."""
    with socket.socket() as probe:
        probe.settimeout(0.02)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port of 127.0.0.1 that nothing uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def parse_lsof(text: str) -> list[Listener]:
    """The listeners in what `lsof -nP -iTCP -sTCP:LISTEN -Fn` prints."""
    found = set()
    for line in text.splitlines():
        match = re.fullmatch(r"n(\*|\[[0-9A-Fa-f:.]+\]|[0-9.]+):(\d+)", line)
        if match:
            ip = "0.0.0.0" if match[1] == "*" else match[1].strip("[]")  # noqa: S104
            found.add(Listener(ip, int(match[2])))
    return sorted(found, key=lambda each: each.port)


def _address(text: str) -> str:
    """The kernel writes addresses as 32-bit words in the machine's own byte order."""
    words = [int(text[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _sockets(pid: int) -> set[int]:
    try:
        entries = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # it ended while we looked, or is not ours to look at
        return set()
    found = set()
    for entry in entries:
        with contextlib.suppress(OSError):  # closed while we looked
            name = str(entry.readlink())
            if name.startswith("socket:["):
                found.add(int(name[8:-1]))
    return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:  # a kernel without IPv6
        return ""


def _ask_lsof(pids: Iterable[int]) -> list[Listener]:
    names = ",".join(map(str, pids))
    if not names:
        return []
    done = subprocess.run(
        ["lsof", "-nP", "-iTCP", "-sTCP:LISTEN", "-a", "-p", names, "-Fn"], capture_output=True, text=True, check=False
    )
    return parse_lsof(done.stdout)
