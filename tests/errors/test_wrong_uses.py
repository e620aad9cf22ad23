"""Every mistake in wrong_uses.md is an error that says, word for word, what stands there.

After a change, `PYTHONPATH=. python tests/errors/test_wrong_uses.py` writes the messages anew: read them as prose.
"""

from __future__ import annotations

import doctest
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CATALOGUE = Path(__file__).with_name("wrong_uses.md")
TEXT = CATALOGUE.read_text(encoding="utf-8").expandtabs()
TITLES = re.findall("^## (.*)$", TEXT, re.MULTILINE)


def examples(title: str) -> tuple[list[doctest.Example], list[doctest.Example]]:
    """What prepares a section, and the mistakes in it: all from the first that is followed by its message."""
    head, *parts = TEXT.split("\n## ")
    parser = doctest.DocTestParser()
    found = parser.get_examples(parts[TITLES.index(title)])
    first = next(i for i, example in enumerate(found) if example.want)
    return parser.get_examples(head) + found[:first], found[first:]


def run(source: str, scope: dict[str, Any], title: str) -> None:
    exec(compile(source, f"<{title}>", "exec"), scope)  # noqa: S102  the catalogue is our own


def messages(title: str) -> Iterator[tuple[doctest.Example, str]]:
    """Each mistake of a section, made in a folder that may be written, and what it answers."""
    preparations, mistakes = examples(title)
    scope: dict[str, Any] = {"__name__": "wrong_uses"}
    run("".join(example.source for example in preparations), scope, title)
    for example in mistakes:
        said = "nothing, which is wrong\n"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                run(example.source, scope, title)
        except Exception as error:
            lines = f"{type(error).__name__}: {error}".replace(os.getcwd(), "FOLDER").splitlines()
            said = "".join(f"{line.expandtabs().rstrip()}\n" for line in lines if line.strip())
        yield example, said


@pytest.mark.parametrize("title", TITLES)
def test_says_what_was_wrong(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from own_tables import own_tables  # not found, and not needed, when this file is run as a script

    monkeypatch.chdir(tmp_path)
    with own_tables():
        wrong = [(e, said) for e, said in messages(title) if said != e.want or said.startswith("nothing")]
    assert not wrong, "\n".join(f">>> {e.source}expected  {e.want}said      {said}" for e, said in wrong)


def test_the_catalogue_is_long() -> None:
    assert sum(len(examples(title)[1]) for title in TITLES) >= 400


if __name__ == "__main__":
    for title in TITLES:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            section = TEXT[TEXT.index(f"\n## {title}\n") :].split("\n## ")[1]
            new = section
            for example, said in messages(title):
                code = ">>> " + example.source.rstrip("\n").replace("\n", "\n... ") + "\n"
                new = new.replace(code + example.want, code + said, 1)
            TEXT = TEXT.replace(section, new)
            os.chdir(CATALOGUE.parent)
    CATALOGUE.write_text(TEXT, encoding="utf-8")
