"""Writes the golden files again: `PYTHONPATH=.:tests python tests/draw/make_golden.py`. Look at the change."""

from __future__ import annotations

import json
from pathlib import Path

from draw.samples import GRAPHS, SAMPLES, golden_dict

from autograd_mini.draw import Graph, draw_graph

GOLDEN = Path(__file__).parent / "golden"


def write(name: str, graph: Graph) -> None:
    (GOLDEN / f"{name}.json").write_text(json.dumps(golden_dict(graph), sort_keys=True) + "\n")
    (GOLDEN / f"{name}.dot").write_text(graph.dot)


if __name__ == "__main__":
    for name, draw in GRAPHS.items():
        write(name, draw())
    for name, make in SAMPLES.items():
        output, names = make()
        output.backward()
        graph = draw_graph(output, names=names)
        if name in ("layer", "fan_out"):
            write(name, graph)
        (GOLDEN / f"{name}.txt").write_text(graph.text() + "\n")
