"""No test of this folder touches the user's files or the network: only a temporary home and loopback."""

import contextlib
import gc
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home and working folder; the cache is in `home / "cache"`."""
    for name in ("AUTOGRAD_MINI_DATA", "XDG_CACHE_HOME", "KERAS_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("AUTOGRAD_MINI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


class FaultyServer:
    """Serves `files` on loopback under /<fault>/<file>, each fault in its own way; `hits` counts the GETs."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.hits: dict[str, int] = {}
        self.stop = threading.Event()
        self.together = threading.Barrier(20)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def do_HEAD(self) -> None:
                outer.answer(self, body=False)

            def do_GET(self) -> None:
                outer.answer(self, body=True)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def mirror(self, fault: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{fault}/"

    def answer(self, request: http.server.BaseHTTPRequestHandler, body: bool) -> None:
        fault, file = request.path.strip("/").split("/")
        if body:
            self.hits[fault] = self.hits.get(fault, 0) + 1
        data = self.files[file]
        length = len(data)
        if fault == "hang" or (fault == "hang_get" and body):
            self.stop.wait(30)
            return
        if fault == "together" and not body:  # answered as soon as twenty ask at the same time
            with contextlib.suppress(threading.BrokenBarrierError):
                self.together.wait(60)
                request.send_error(404)
            return
        if fault == "drip_head":  # every byte comes in time, the answer never
            with contextlib.suppress(OSError):
                while not self.stop.wait(0.05):
                    request.wfile.write(b"H")
            return
        if fault in ("404", "together") or (fault == "dies" and body and self.hits[fault] > 2):
            request.send_error(404)
            return
        if fault == "500":
            request.send_error(500)
            return
        if fault == "wrong":  # a packed file of the right kind with one other pixel or label
            data = self.files["wrong " + file]
            length = len(data)
        if fault == "html":
            data = b"<html>Please log in to this wireless network</html>"
            length = len(data)
        request.send_response(200)
        if fault != "endless":
            request.send_header("Content-Length", str(length))
        request.end_headers()
        if body:
            with contextlib.suppress(OSError):  # the client has gone
                self.send(request, fault, data)

    def send(self, request: http.server.BaseHTTPRequestHandler, fault: str, data: bytes) -> None:
        if fault == "trunc":
            request.wfile.write(data[: len(data) // 2])
        elif fault == "stall":
            request.wfile.write(data[:20])
            self.stop.wait(30)
        elif fault == "drip":
            for byte in data:
                request.wfile.write(bytes([byte]))
                if self.stop.wait(0.05):
                    return
        elif fault == "endless":
            while not self.stop.is_set():
                request.wfile.write(bytes(2**16))
        else:
            request.wfile.write(data)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    before = set(threading.enumerate())
    faulty = FaultyServer({})
    yield faulty
    faulty.stop.set()
    faulty.server.shutdown()
    faulty.server.server_close()
    for thread in set(threading.enumerate()) - before:  # the downloads that were abandoned end now
        thread.join(10)
    gc.collect()
