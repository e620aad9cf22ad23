"""The object that holds a picture: files, notebooks, missing and misbehaving Graphviz."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from draw.samples import fan_out, layer, needs_dot

import autograd_mini as am
from autograd_mini.draw import GraphTooLarge, draw_graph, graph


@pytest.fixture
def without_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    graph._say_once.cache_clear()


@needs_dot
@pytest.mark.parametrize(
    ("suffix", "start"),
    [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF"), (".dot", b"digraph"), (".txt", b"d = a + a"),
     (".json", b"{")],
)  # fmt: skip
def test_save_by_suffix(tmp_path: Path, suffix: str, start: bytes) -> None:
    output, names = fan_out()
    path = tmp_path / f"a picture; echo $(x){suffix}"
    draw_graph(output, names=names).save(path)
    assert path.read_bytes().startswith(start)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_save_what_needs_no_graphviz(tmp_path: Path, without_dot: None) -> None:
    output, names = fan_out()
    g = draw_graph(output, names=names)
    with pytest.warns(UserWarning, match="install graphviz"):
        g.save(tmp_path / "g.svg")
    g.save(tmp_path / "again.svg")  # said once
    assert ET.parse(tmp_path / "g.svg").getroot().tag.endswith("svg")
    g.save(tmp_path / "g.json")
    assert json.loads((tmp_path / "g.json").read_text())["format"] == "autograd_mini.graph"
    with pytest.raises(RuntimeError, match=r"PNG needs Graphviz.*install graphviz"):
        g.save(tmp_path / "g.png")
    assert not (tmp_path / "g.png").exists()


@pytest.mark.parametrize("name", ["g.jpg", "g"])
def test_other_suffixes_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"\.svg"):
        draw_graph(fan_out()[0]).save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "g.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", lambda *a: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        draw_graph(fan_out()[0]).save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["g.txt"] and path.read_text() == "old"


@needs_dot
def test_notebooks_get_svg_and_png_with_ids_of_their_own() -> None:
    one, two = (draw_graph(make()[0], names={}) for make in (fan_out, layer))
    bundles = [g._repr_mimebundle_() for g in (one, two)]
    assert all(set(b) == {"text/plain", "image/svg+xml", "image/png"} for b in bundles)
    ids = [{e.get("id") for e in ET.fromstring(b["image/svg+xml"]).iter() if e.get("id")} for b in bundles]
    assert ids[0] and not ids[0] & ids[1]
    assert set(one._repr_mimebundle_(include=["image/svg+xml"])) == {"text/plain", "image/svg+xml"}
    assert "image/png" not in one._repr_mimebundle_(exclude=["image/png"])


def test_notebooks_without_graphviz_get_the_builtin_picture(without_dot: None) -> None:
    with pytest.warns(UserWarning, match="install graphviz"):
        bundle = draw_graph(fan_out()[0], names={})._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/svg+xml"} and "<svg" in bundle["image/svg+xml"]


def test_the_notebook_display_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    g = draw_graph(fan_out()[0], names={})

    def broken(*args: object) -> bytes:
        raise RuntimeError("broken")

    monkeypatch.setattr(graph, "_run_dot", broken)
    monkeypatch.setattr(graph, "to_svg", broken)
    assert set(g._repr_mimebundle_()) == {"text/plain"}
    monkeypatch.setattr(graph, "to_text", broken)
    assert "Graph" in g._repr_mimebundle_()["text/plain"]
    monkeypatch.setattr(graph, "view_of", broken)
    fresh = draw_graph(fan_out()[0], names={})
    assert set(fresh._repr_mimebundle_()) == {"text/plain"}
    with pytest.raises(RuntimeError, match="broken"):
        fresh.svg()


@pytest.mark.parametrize("odd", [{"include": 5}, {"exclude": 5}, {"include": object()}])
def test_the_notebook_display_does_not_raise_for_odd_arguments(odd: dict[str, object]) -> None:
    assert "mul(" in draw_graph(fan_out()[0], names={})._repr_mimebundle_(**odd)["text/plain"]


def test_the_notebook_display_of_what_is_too_large_is_text() -> None:
    y = am.tensor(1.0, requires_grad=True)
    for _ in range(800):
        y = y.tanh()
    bundle = draw_graph(y, names={}, max_ops=1000, style="wire")._repr_mimebundle_()
    assert set(bundle) == {"text/plain"} and "tanh" in bundle["text/plain"]


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for dot is a shell script")
def test_a_layout_that_takes_too_long_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "dot"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(graph, "TIMEOUT", 0.2)
    with pytest.raises(TimeoutError, match="max_ops"):
        draw_graph(fan_out()[0], names={}).svg()


def test_what_is_too_large_to_lay_out_says_how_to_narrow() -> None:
    y = am.tensor(1.0, requires_grad=True)
    for _ in range(800):
        y = y.tanh()
    with pytest.raises(GraphTooLarge, match=r"1,601 boxes.*max_ops"):
        draw_graph(y, names={}, max_ops=1000, style="wire").svg()
    assert draw_graph(y, names={}, style="wire").svg().count("tanh") >= 200


@pytest.mark.parametrize("wrong", [{"max_ops": 0}, {"max_items": -1}, {"precision": 0}, {"backend": "neato"}])
def test_options_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        draw_graph(fan_out()[0], names={}, **wrong)


def test_repr_and_text_say_what_it_is() -> None:
    output, names = fan_out()
    g = output.graph(names=names)
    assert repr(g) == "<Graph: 2 operations, 4 tensors; .text(), .svg(), .save(path)>"
    assert g.text().startswith("d = a + a × b\n")
