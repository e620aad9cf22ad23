"""Pictures of computation graphs: `draw_graph(loss)`, or `loss.graph()`; `trace_backward()` for every gradient."""

from __future__ import annotations

from .graph import Graph, GraphTooLarge, draw_graph
from .health import Problem, Problems
from .steps import Step
from .trace import trace_backward

__all__ = ["Graph", "GraphTooLarge", "Problem", "Problems", "Step", "draw_graph", "trace_backward"]
