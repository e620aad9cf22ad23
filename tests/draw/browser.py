"""Chromium driven through its DevTools protocol, over a pipe: real keys and a real mouse, and nothing to install."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--remote-debugging-pipe",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1300,800",
]  # fmt: skip
CODES = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Enter": 13, "Escape": 27, "Tab": 9}


class Browser:
    """One tab. What it complained of, and every request that it made, stand in `complaints` and `requests`."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back, self._count, self._rest = to, back, 0, b""
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.session = ""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command, and its answer; events that come meanwhile are looked at."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]
            self._event(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._back, 1 << 20)
            assert part, "the browser has gone"
            self._rest += part
        line, self._rest = self._rest.split(b"\0", 1)
        return json.loads(line)

    def _event(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event["method"] == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event["method"] == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif event["method"] == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        elif event["method"] == "Runtime.consoleAPICalled":
            self.complaints.append(str(params["args"]))

    def open(self, path: Path) -> None:
        self.send("Page.navigate", url=path.as_uri())
        while self.run("document.readyState") != "complete":
            pass

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, key: str, shift: bool = False) -> None:
        text = "\r" if key == "Enter" else key if len(key) == 1 else ""
        code = CODES.get(key, ord(key.upper()) if len(key) == 1 else 0)
        common = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 * shift}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, selector: str) -> None:
        x, y = self.middle(selector)
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y, button="left", clickCount=1)
        self.mouse("mouseReleased", x, y, button="left", clickCount=1)

    def middle(self, selector: str) -> tuple[float, float]:
        """Of what is seen of the first element that this selects."""
        found = self.run(
            f"(() => {{ const e = [...document.querySelectorAll({json.dumps(selector)})].find(e =>"
            " getComputedStyle(e).visibility !== 'hidden' && e.getBoundingClientRect().width);"
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        return found[0], found[1]

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own in `folder`, gone at the end."""
    assert CHROMIUM is not None
    read_in, to = os.pipe()
    back, write_out = os.pipe()

    # The protocol is spoken on descriptors 3 and 4. A shell places them: Python code between fork and exec (preexec_fn)
    # is what libraries with threads of their own warn of.
    place = f'exec "$0" "$@" 3< /dev/fd/{read_in} 4> /dev/fd/{write_out}'
    process = subprocess.Popen(
        ["sh", "-c", place, CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}"], pass_fds=(read_in, write_out),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(read_in)
    os.close(write_out)
    try:
        made = Browser(to, back)
        yield made
        made.session = ""
        with suppress(AssertionError, OSError):
            made.send("Browser.close")
    finally:
        os.close(to)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(back)
