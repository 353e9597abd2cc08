"""What a program listens on is asked of the kernel."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

import pytest

from runners.ports import Listener, accepts, candidates, free_port, listening, parse_lsof, parse_tcp_table, reachable

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:13BA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20842 1 0000000000000000 100
   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31337 1 0000000000000000 100
   2: 0100007F:1F90 0100007F:C3D2 01 00000000:00000000 00:00000000 00000000     0        0 40000 1 0000000000000000 100
  sl  local_address                         remote_address                        st tx_queue rx_queue tr inode
   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 50001 1 0
   1: 00000000000000000000000000000000:0051 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 50002 1 0
   2: 0000000000000000FFFF00000100007F:0052 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 50003 1 0
"""


def test_only_listening_sockets_are_taken_from_the_table() -> None:
    assert parse_tcp_table(TABLE) == {
        20842: Listener("127.0.0.1", 5050),
        31337: Listener("0.0.0.0", 8080),
        50001: Listener("::1", 80),
        50002: Listener("::", 81),
        50003: Listener("127.0.0.1", 82),
    }


def test_an_empty_table_has_none() -> None:
    assert parse_tcp_table("") == {}


def test_what_lsof_prints_is_understood() -> None:
    text = "p28258\nf3\nn127.0.0.1:56341\nf4\nn*:58809\nf5\nn[::1]:3000\nnsomething else\n"

    assert parse_lsof(text) == [Listener("::1", 3000), Listener("127.0.0.1", 56341), Listener("0.0.0.0", 58809)]


@contextlib.contextmanager
def listener(family: socket.AddressFamily, ip: str) -> Iterator[Listener]:
    with socket.socket(family) as server:
        server.bind((ip, 0))
        server.listen()
        yield Listener(ip, server.getsockname()[1])


@pytest.mark.parametrize(
    ("family", "ip"),
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::")],
)
def test_a_listening_socket_is_found(family: socket.AddressFamily, ip: str) -> None:
    with listener(family, ip) as mine:
        assert mine in listening([os.getpid()])
    assert mine not in listening([os.getpid()])


def test_nobody_listens_on_nothing() -> None:
    assert listening([]) == []
    assert listening([2**22 + 1]) == []


def test_the_port_that_was_asked_for_comes_first_then_the_lowest_and_debuggers_last() -> None:
    found = [Listener("127.0.0.1", port) for port in (9229, 8000, 3000, 5000)]

    assert [each.port for each in candidates(found, 5000)] == [5000, 3000, 8000, 9229]
    assert [each.port for each in candidates(found, None)] == [3000, 5000, 8000, 9229]


def test_a_debugger_that_was_asked_for_comes_first_all_the_same() -> None:
    assert candidates([Listener("::", 80), Listener("::", 9229)], 9229)[0].port == 9229


@pytest.mark.parametrize(
    ("bound", "address"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("::", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("10.0.0.7", "10.0.0.7"),
    ],
)
def test_everywhere_is_reached_through_loopback(bound: str, address: str) -> None:
    assert reachable(bound) == address


def test_a_free_port_can_be_bound_and_then_accepts() -> None:
    port = free_port()

    before = accepts(port)
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        server.listen()
        after = accepts(port)

    assert (before, after) == (False, True)
