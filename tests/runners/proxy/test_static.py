"""A built site is served as hosts of static sites do, and nothing beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runners.base import Target
from tests.runners.proxy.stage import HOST, Stage

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "site-twin").mkdir()
    (tmp_path / "site-twin" / "index.html").write_text("secret")
    return tmp_path


@pytest.fixture
def site(outside: Path) -> Path:
    site = outside / "site"
    files = {
        "index.html": "<h1>home</h1>",
        "about.html": "<h1>about</h1>",
        "docs/index.html": "<h1>docs</h1>",
        "empty/note.txt": "note",
        "assets/app.js": "let x = 1",
        "assets/style.css": "body {}",
        "assets/mod.wasm": "wasm",
        "a b.txt": "space",
        ".env": "TOKEN=secret",
        ".git/config": "secret",
        "docs/.htpasswd": "secret",
    }
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    return site


async def show(stage: Stage, site: Path, *, fallback: bool = False, deployment: str = "d1") -> None:
    await stage.proxy.point(HOST, Target("static", deployment, path=str(site), fallback=fallback))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "<h1>home</h1>"),
        ("/index.html", "<h1>home</h1>"),
        ("/?q=1", "<h1>home</h1>"),
        ("/about", "<h1>about</h1>"),
        ("/about.html", "<h1>about</h1>"),
        ("/docs/", "<h1>docs</h1>"),
        ("/a%20b.txt", "space"),
        ("//about", "<h1>about</h1>"),
    ],
)
async def test_paths_lead_to_files(stage: Stage, site: Path, path: str, text: str) -> None:
    await show(stage, site)
    got = await stage.raw(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
    assert got.startswith(b"HTTP/1.1 200 ")
    assert got.endswith(b"\r\n\r\n" + text.encode())


@pytest.mark.parametrize(
    ("path", "location"),
    [("/docs", "/docs/"), ("/docs?a=%2F&b", "/docs/?a=%2F&b"), ("//docs", "/docs/")],
)
async def test_folders_get_their_slash_and_lead_nowhere_else(
    stage: Stage, site: Path, path: str, location: str
) -> None:
    await show(stage, site)
    got = await stage.raw(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
    assert got.startswith(b"HTTP/1.1 301 ")
    assert f"Location: {location}\r\n".encode() in got


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/assets/app.js", "text/javascript; charset=utf-8"),
        ("/assets/style.css", "text/css; charset=utf-8"),
        ("/assets/mod.wasm", "application/wasm"),
        ("/empty/note.txt", "text/plain; charset=utf-8"),
    ],
)
async def test_files_have_their_types(stage: Stage, site: Path, path: str, kind: str) -> None:
    await show(stage, site)
    async with stage.client.get(path) as answer:
        assert answer.headers["Content-Type"] == kind
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["X-Slipway-Deployment"] == "d1"
        assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/../secret.txt", id="dot-dot"),
        pytest.param("/docs/../../secret.txt", id="dot-dot-below"),
        pytest.param("/..%2fsecret.txt", id="encoded-slash"),
        pytest.param("/%2e%2e/secret.txt", id="encoded-dots"),
        pytest.param("/%2e%2e%2fsecret.txt", id="all-encoded"),
        pytest.param("/%252e%252e%252fsecret.txt", id="encoded-twice"),
        pytest.param("/..%5csecret.txt", id="backslash"),
        pytest.param("/..\\secret.txt", id="raw-backslash"),
        pytest.param("/../site-twin/index.html", id="sibling-with-our-prefix"),
        pytest.param("/%00", id="nul"),
        pytest.param("/index.html%00.txt", id="nul-inside"),
        pytest.param("//etc/passwd", id="absolute"),
        pytest.param("/%2fetc%2fpasswd", id="encoded-absolute"),
        pytest.param("/%c0%ae%c0%ae/secret.txt", id="overlong-utf-8"),
        pytest.param("/%ff", id="no-utf-8"),
        pytest.param("/.env", id="dotfile"),
        pytest.param("/%2eenv", id="encoded-dotfile"),
        pytest.param("/.git/config", id="dot-folder"),
        pytest.param("/docs/.htpasswd", id="dotfile-below"),
        pytest.param("/./.env", id="dot-and-dotfile"),
        pytest.param("/link.txt", id="link-outside"),
        pytest.param("/linked/secret.txt", id="linked-folder-outside"),
        pytest.param("/twin/", id="linked-sibling"),
        pytest.param("/dotlink", id="link-to-dotfile"),
        pytest.param("/loop", id="link-to-itself"),
        pytest.param("/pipe", id="named-pipe"),
        pytest.param("/" + "x" * 300, id="name-too-long"),
        pytest.param("/index.html/x", id="file-as-folder"),
    ],
)
async def test_nothing_leaves_the_directory(stage: Stage, site: Path, path: str) -> None:
    (site / "link.txt").symlink_to(site.parent / "secret.txt")
    (site / "linked").symlink_to(site.parent)
    (site / "twin").symlink_to(site.parent / "site-twin")
    (site / "dotlink").symlink_to(".env")
    (site / "loop").symlink_to("loop")
    os.mkfifo(site / "pipe")
    await show(stage, site)
    got = await stage.raw(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
    assert got.split(b"\r\n")[0].split(b" ")[1] in (b"404", b"400")
    assert b"secret" not in got.partition(b"\r\n\r\n")[2].replace(path.encode(), b"")


async def test_links_inside_are_followed(stage: Stage, site: Path) -> None:
    (site / "latest").symlink_to("docs")
    await show(stage, site)
    assert await stage.get("/latest/") == (200, "<h1>docs</h1>")


async def test_a_lone_page_is_the_start_page(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "game.html").write_text("play")
    (tmp_path / "game.js").write_text("x")
    await show(stage, tmp_path)
    assert await stage.get("/") == (200, "play")
    assert await stage.get("/game.html") == (200, "play")
    (tmp_path / "other.html").write_text("other")
    assert (await stage.get("/"))[0] == 404


async def test_a_path_that_leads_nowhere_gets_the_sites_own_page(stage: Stage, site: Path) -> None:
    await show(stage, site)
    status, page = await stage.get("/nothing")
    assert (status, "No such page" in page) == (404, True)
    (site / "404.html").write_text("lost?")
    assert await stage.get("/nothing") == (404, "lost?")
    assert await stage.get("/nothing", headers={"Range": "bytes=0-1"}) == (404, "lost?")


async def test_client_side_routes_fall_back_to_the_start_page(stage: Stage, site: Path) -> None:
    (site / "404.html").write_text("lost?")
    await show(stage, site, fallback=True)
    assert await stage.get("/users/7", headers=HTML) == (200, "<h1>home</h1>")
    assert await stage.get("/users/7") == (200, "<h1>home</h1>")
    assert await stage.get("/assets/gone.js") == (404, "lost?")
    assert await stage.get("/api/users", headers={"Accept": "application/json"}) == (404, "lost?")
    assert (await stage.get("/.env", headers=HTML))[0] == 404


async def test_what_the_client_has_is_not_sent_again(stage: Stage, site: Path) -> None:
    await show(stage, site)
    async with stage.client.get("/about") as answer:
        tag = answer.headers["ETag"]
    for condition in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        async with stage.client.get("/about", headers={"If-None-Match": condition}) as answer:
            assert (answer.status, await answer.read(), answer.headers["ETag"]) == (304, b"", tag)
            assert answer.headers["X-Slipway-Deployment"] == "d1"


async def test_another_build_is_never_taken_for_the_same(stage: Stage, site: Path, tmp_path: Path) -> None:
    """Same name, same size, same date: only the directory tells them apart."""
    twin = tmp_path / "twin"
    twin.mkdir()
    (twin / "about.html").write_text("<h1>ABOUT</h1>")
    for folder in (site, twin):
        os.utime(folder / "about.html", (1_000_000_000, 1_000_000_000))
    await show(stage, site)
    async with stage.client.get("/about") as answer:
        seen = {"If-None-Match": answer.headers["ETag"]}
        date = answer.headers["Last-Modified"]
    await show(stage, twin, deployment="d2")
    assert await stage.get("/about", headers=seen) == (200, "<h1>ABOUT</h1>")
    assert await stage.get("/about", headers={"If-Modified-Since": date}) == (200, "<h1>ABOUT</h1>")
    resumed = {"If-Range": seen["If-None-Match"], "Range": "bytes=4-"}
    assert await stage.get("/about", headers=resumed) == (200, "<h1>ABOUT</h1>")


async def test_ranges_are_served(stage: Stage, site: Path) -> None:
    await show(stage, site)
    async with stage.client.get("/about", headers={"Range": "bytes=4-8"}) as answer:
        assert (answer.status, await answer.text()) == (206, "about")
        assert answer.headers["Content-Range"] == "bytes 4-8/14"
        tag = answer.headers["ETag"]
    assert await stage.get("/about", headers={"Range": "bytes=4-8", "If-Range": tag}) == (206, "about")
    assert (await stage.get("/about", headers={"Range": "bytes=99-"}))[0] == 416


async def test_head_tells_the_length(stage: Stage, site: Path) -> None:
    await show(stage, site)
    async with stage.client.head("/about") as answer:
        assert (answer.status, answer.headers["Content-Length"], await answer.read()) == (200, "14", b"")


async def test_a_compressed_twin_is_a_file_of_its_own(stage: Stage, site: Path) -> None:
    (site / "about.html.gz").write_bytes(b"\x1f\x8bstale")
    await show(stage, site)
    assert await stage.get("/about", headers={"Accept-Encoding": "gzip, br"}) == (200, "<h1>about</h1>")
    async with stage.client.get("/about.html.gz") as answer:
        assert answer.headers["Content-Type"] == "application/gzip"
        assert "Content-Encoding" not in answer.headers


async def test_files_take_no_posts(stage: Stage, site: Path) -> None:
    await show(stage, site)
    async with stage.client.post("/about", data=b"x") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


async def test_a_large_file_arrives_whole(stage: Stage, site: Path) -> None:
    (site / "large.bin").write_bytes(bytes(range(256)) * 20_000)
    await show(stage, site)
    async with stage.client.get("/large.bin") as answer:
        assert await answer.read() == bytes(range(256)) * 20_000


async def test_a_directory_that_is_gone_has_no_pages(stage: Stage, tmp_path: Path) -> None:
    await show(stage, tmp_path / "never")
    assert (await stage.get("/"))[0] == 404
