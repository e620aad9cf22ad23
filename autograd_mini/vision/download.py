"""Files from mirrors, by `pooch`, with a bound on everything: time, memory and the number of tries."""

import concurrent.futures
import contextlib
import io
import re
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..extras import optional
from .idx import DataError

T = TypeVar("T")
PATIENCE = 60  # a whole file may take this many times the time-out between two pieces of it


class Mirrors:
    """Addresses, all but the file's name, of the same files; one that fails is not asked again.

    All are asked for `probe` at once and those that give no answer in `timeout` seconds are dropped: without
    a network that takes one time-out, not one for every mirror and file. `tried` collects what went wrong.
    Raises ImportError without pooch.
    """

    def __init__(self, addresses: Sequence[str], timeout: float, probe: str) -> None:
        self.http = optional("pooch", "vision", "downloading needs pooch").HTTPDownloader
        self.timeout = timeout
        self.alive: list[str] = []
        self.tried: list[str] = []
        ask = self.http(timeout=timeout)
        answers = [_in_background(ask, _join(each, probe), None, None, check_only=True) for each in addresses]
        concurrent.futures.wait(answers, timeout)
        for address, answer in zip(addresses, answers, strict=True):
            trouble = answer.exception() if answer.done() else TimeoutError(f"no answer in {timeout:g} s")
            if trouble:
                self.tried.append(f"{address}: {_brief(trouble)}")
            else:
                self.alive.append(address)

    def fetch(self, file: str, limit: int, read: Callable[[io.BytesIO, str], T]) -> tuple[T, bytes]:
        """What `read(buffer, url)` makes of the first copy of `file` that it accepts, and that copy's bytes.

        Raises DataError with all that was tried when no mirror is left.
        """
        while self.alive:
            url = _join(self.alive[0], file)
            try:
                with _Bounded(limit) as buffer, _progress(file) as bar:
                    get = self.http(progressbar=bar, chunk_size=2**14, timeout=self.timeout)
                    _in_background(get, url, buffer, None).result(PATIENCE * self.timeout)
                    buffer.seek(0)
                    return read(buffer, url), buffer.getvalue()
            except (OSError, ValueError, RuntimeError) as why:
                self.tried.append(f"{self.alive.pop(0)}: {_brief(why)}")
        raise DataError("; ".join(self.tried) or "no mirrors to ask")


def _join(address: str, file: str) -> str:
    return f"{address.rstrip('/')}/{file}"


def _brief(why: BaseException) -> str:
    """The heart of what `requests` wraps in a long message about retries, without the connection that it names."""
    reason = getattr(why.args[0], "reason", None) if why.args else None
    said = reason.args[-1] if reason and reason.args else why  # before it, if anything, stands the connection
    return re.sub(r"^\w+\(host=.*?\): ", "", str(said)) or type(why).__name__


class _Bounded(io.BytesIO):
    """Memory for a download that may not end: too much data, or closing it, stops whoever writes."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self.limit:
            raise DataError(f"more than the {self.limit} bytes that were expected at most")
        return super().write(data)


def _in_background(work: Callable[..., Any], *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
    """Run `work` in a thread that may be abandoned: neither DNS nor a dripping server obeys a time-out."""
    outcome: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def run(future: concurrent.futures.Future[Any]) -> None:
        try:
            future.set_result(work(*args, **kwargs))
        except BaseException as why:  # handed to whoever waits
            future.set_exception(why)
        finally:
            del future  # or the error's traceback and the future keep each other, and the socket, alive

    try:
        threading.Thread(target=run, args=(outcome,), daemon=True).start()
    except RuntimeError as why:  # a browser has no threads
        outcome.set_exception(why)
    return outcome


def _progress(name: str) -> contextlib.AbstractContextManager[Any]:
    """A bar on a terminal, if tqdm is there."""
    if sys.stderr.isatty():
        with contextlib.suppress(ImportError):
            from tqdm import tqdm

            bar: contextlib.AbstractContextManager[Any] = tqdm(total=1, desc=name, unit="B", unit_scale=True)
            return bar
    return contextlib.nullcontext(False)
