"""What a learner meets who lacks something, mistypes something or loses patience: a sentence, and the rest is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import autograd_mini as am

from .conftest import DEMOS, FOLDER, load_demo

common = pytest.importorskip("common")
INSTALL = 'pip install "autograd_mini[demos]"'


def run(program: str, *arguments: str, missing: str = "", cwd: Path) -> subprocess.CompletedProcess[str]:
    """A program of Python among the demos, as if the modules in `missing` were not there."""
    program = f"import sys; sys.modules.update(dict.fromkeys({missing.split()!r})); {program}"
    environment = {**os.environ, "PYTHONPATH": f"{FOLDER.parent}{os.pathsep}{FOLDER}", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, encoding="utf-8", check=False)


def test_without_matplotlib_and_hypothesis_the_text_is_told(tmp_path: Path) -> None:
    names = [file.stem for file in DEMOS]
    program = (
        f"from importlib import import_module; demos = [import_module(name) for name in {names!r}];"
        " demos[3].main([]); print('NEXT'); demos[12].main(['--fast'])"
    )
    done = run(program, missing="matplotlib matplotlib.figure hypothesis", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    fourth, thirteenth = done.stdout.split("NEXT")
    assert "softmax" in fourth and fourth.endswith(
        f"\nNot drawn: activations.png, softmax.png. They need matplotlib: {INSTALL}\n"
    )
    assert f"Not proved on drawn samples: that needs hypothesis: {INSTALL}\n" in thirteenth
    assert "Pictures in out/13_own_op: graph.svg\n" in thirteenth.replace("\\", "/")
    assert f"Not drawn: line.png. They need matplotlib: {INSTALL}\n" in thirteenth
    assert {file.name for file in tmp_path.rglob("*.*")} == {"graph.svg"}


def test_without_the_package_one_sentence(tmp_path: Path) -> None:
    done = run("import runpy; runpy.run_path(sys.argv[1])", str(DEMOS[0]), missing="autograd_mini", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: autograd_mini is missing: pip install") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", ["02", "09", "10", "15"])
def test_a_wrong_folder_is_a_message_and_status_2(
    number: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo = load_demo(number)
    with pytest.raises(SystemExit) as stopped:
        common.tell(lambda: demo.main(["--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]))
    said = capsys.readouterr()
    assert stopped.value.code == 2 and said.out == ""
    assert said.err.startswith("error: ") and "nowhere: does not exist" in said.err and said.err.count("\n") == 1


def test_a_file_in_the_way_is_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(SystemExit) as stopped:
        common.tell(lambda: common.arguments(["--out", str(tmp_path / "text")], "01_a.py", "A story."))
    assert stopped.value.code == 2 and "text" in capsys.readouterr().err


def test_ctrl_c_is_a_message_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    def impatient() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as stopped:
        common.tell(impatient)
    assert stopped.value.code == 1 and capsys.readouterr().err.strip().startswith("stopped")


def test_a_mistake_in_a_story_is_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="broadcast"):
        common.tell(lambda: am.ones(2) + am.ones(3))


def test_every_story_is_told_by_the_helper() -> None:
    for file in DEMOS:
        text = file.read_text(encoding="utf-8")
        assert text.endswith('if __name__ == "__main__":\n    common.tell(main)\n'), file.name
        assert "args.pictures.tell()" in text, file.name
