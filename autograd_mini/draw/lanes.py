"""Higher derivatives: one lane for the forward pass and one for each backward pass that was itself recorded."""

from __future__ import annotations

from .model import Model
from .view import FORWARD, INK, LATER, MUTED, Frame, Run, View

COLORS = (INK, FORWARD, LATER)


def draw_lanes(model: Model, view: View, legend: bool) -> None:
    """Frames around what each pass has built; dashed links where one uses values of an earlier one."""
    lane = [op.lane for op in model.ops]
    home = {f"n{i}": number for i, number in enumerate(lane)}
    for i, wire in enumerate(model.wires):
        used = [lane[op] for op, _ in wire.uses]
        home[f"t{i}"] = lane[wire.producer] if wire.producer is not None else min(used, default=0)
        home[f"j{i}"] = home[f"t{i}"]
    for number, name in enumerate(model.lanes):
        made = [model.wires[op.wire].name for op in model.ops if op.lane == number and model.wires[op.wire].name]
        color = COLORS[min(number, 2)]
        text = name + (f": {', '.join(made[-3:])}" if made else "")
        frame = Frame(f"l{number}", [[Run(text, color, 11, bold=True)]], color=color, fill="#FCFCFC", bottom=True)
        frame.boxes = [box.id for box in view.boxes if home.get(box.id) == number]
        view.frames.append(frame)
    for link in view.links:
        link.again = home.get(link.tail, 0) != home.get(link.head, 0)
    if legend and any(link.again for link in view.links):
        text = "frame: which pass built it     thin dashed: a value of an earlier pass, used again"
        view.legend.append([Run(text, MUTED, 10)])
