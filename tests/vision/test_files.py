"""Files appear whole or not at all, and the cache is where the platform keeps such things."""

import sys

import pytest

from autograd_mini.vision.files import cache_dir, replacing


def test_replacing(home):
    file = home / "new" / "folder" / "file"
    for data in (b"one", b"other"):
        with replacing(file) as out:
            out.write(data)
        assert file.read_bytes() == data
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_replacing_that_fails_changes_nothing(home, error):
    file = home / "file"
    file.write_bytes(b"before")
    with pytest.raises(error), replacing(file) as out:
        out.write(b"half")
        out.flush()
        assert file.read_bytes() == b"before"
        raise error
    assert file.read_bytes() == b"before"
    assert list(home.iterdir()) == [file]


@pytest.mark.parametrize(
    ("platform", "variable", "value", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "/xdg", "/xdg/autograd_mini"),
        ("linux", "XDG_CACHE_HOME", "relative", "HOME/.cache/autograd_mini"),
        ("linux", "UNUSED", "", "HOME/.cache/autograd_mini"),
        ("darwin", "UNUSED", "", "HOME/Library/Caches/autograd_mini"),
        ("win32", "LOCALAPPDATA", "/local", "/local/autograd_mini"),
        ("linux", "AUTOGRAD_MINI_CACHE", "~/own", "HOME/own"),
    ],
)
def test_cache_dir(home, monkeypatch, platform, variable, value, expected):
    monkeypatch.delenv("AUTOGRAD_MINI_CACHE")
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_dir().as_posix() == expected.replace("HOME", home.as_posix())
