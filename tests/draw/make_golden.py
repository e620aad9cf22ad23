"""Writes the golden files again: `PYTHONPATH=.:tests python tests/draw/make_golden.py`. Look at the change."""

from __future__ import annotations

import json
from pathlib import Path

from draw.samples import SAMPLES, golden_dict

from autograd_mini.draw import draw_graph

GOLDEN = Path(__file__).parent / "golden"

if __name__ == "__main__":
    for name, make in SAMPLES.items():
        output, names = make()
        output.backward()
        graph = draw_graph(output, names=names)
        if name in ("layer", "fan_out"):
            (GOLDEN / f"{name}.json").write_text(json.dumps(golden_dict(graph), sort_keys=True) + "\n")
            (GOLDEN / f"{name}.dot").write_text(graph.dot)
        (GOLDEN / f"{name}.txt").write_text(graph.text() + "\n")
