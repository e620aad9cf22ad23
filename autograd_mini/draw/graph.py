"""`draw_graph`: the picture of a computation, and the ways to look at it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import subprocess
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..engine import TensorCore
from ..serialization import replacing
from . import values
from .cost import Costs
from .cost import cost as costs_of
from .crop import crop
from .dot import slim, to_dot
from .folding import Numbered, foldable, header
from .gradients import show_gradients
from .health import Problems, check, mark_causes
from .model import Model, Sources, read
from .names import name_wires
from .options import Options
from .page import Flat, page
from .steps import Step, animated, gif, steps
from .svg import to_svg
from .text import details, remarks, table, to_text
from .trace import trace_backward
from .units import Plan, plan
from .view import View, view_of

MAX_BOXES = 1500  # that a layout is tried on
AUTO_WIRE, AUTO_WIRE_MODULES = 30, 12  # operations up to which every tensor is shown; where there are modules to fold
MAX_READ_VALUES = 2000  # operations; of a longer graph only those that are shown are looked at
MAX_UNFOLDED = 60  # operations up to which a page of a folded graph can show every tensor, too
MAX_STEPPED = 20  # and up to which it has steps, too: each is three times its size
TIMEOUT = 60.0  # seconds for the layout
INSTALL = "Install it (apt, brew or conda install graphviz)"
NO_DOT = f"Graphviz's `dot` was not found, so the built-in layout draws. {INSTALL} for smoother pictures, PNG and PDF."


class GraphTooLarge(ValueError):  # noqa: N818
    """More boxes than a layout can place in a reasonable time."""


class Graph:
    """A picture of a graph. Holds text and numbers only: no tensor, no array, nothing of the graph itself.

    In a notebook it shows itself; elsewhere `print(g.text())` or `g.save("graph.svg")`.
    """

    def __init__(self, model: Model, folded: Plan | None, options: Options) -> None:
        self.model = model
        self._plan = folded  # None: wire style
        self._options = options

    @functools.cached_property
    def view(self) -> View:
        """What is drawn: boxes and links."""
        return view_of(self.model, self._options, self._plan)

    @property
    def dot(self) -> str:
        """The picture in Graphviz's language; equal graphs give equal text."""
        return to_dot(self.view)

    def svg(self) -> str:
        """The picture as SVG: by `dot` where it is installed, else by the built-in layout.

        Raises GraphTooLarge above 1,500 boxes, TimeoutError if the layout takes longer than a minute.
        """
        self._check_size()
        return self._svg(self.view)

    def _svg(self, view: View) -> str:
        backend = self._options.backend
        if backend == "dot" or (backend == "auto" and shutil.which("dot")):
            return slim(_run_dot(to_dot(view), "svg").decode())
        if backend == "auto":
            _say_once(NO_DOT)
        return to_svg(view)

    def png(self) -> bytes:
        """The picture as PNG, at 144 dots per inch. Needs Graphviz's `dot`."""
        return self._render("png")

    def text(self) -> str:
        """The picture as a table of plain text."""
        return to_text(self.model, self.view.title, self._options.precision)

    def check(self, *, exploding: float = 1e3, vanishing: float = 1e-7, dead: float = 0.5) -> Problems:
        """What is wrong with the values and gradients, as a list of Problem(kind, node, where, hint).

        Values that are nan or infinite, where they arise, else such gradients; gradients of parameters that are all 0,
        whose typical item (root of the mean square) is `exploding` times that of the parameter, or below `vanishing`;
        relus of which the share `dead` is 0 for all samples of a batch of 8 or more; parameters without a path.

        >>> import autograd_mini as am
        >>> x = am.tensor([4.0, -1.0], requires_grad=True)
        >>> y = (x * 0).sum()
        >>> y.backward()
        >>> print(y.graph().check())
        1 problem
        ○ zero gradient: x: all 2 items are exactly 0: t1 = mul(x, 0) passes on zeros only
        """
        return check(self.model, exploding=exploding, vanishing=vanishing, dead=dead)

    def cost(self) -> Costs:
        """What each operation costs: floating-point operations, bytes, time. Needs draw_graph(…, cost=True).

        >>> import autograd_mini as am
        >>> x, W = am.ones(2, 3), am.ones(3, 4, requires_grad=True)
        >>> print((x @ W).relu().graph(cost=True).cost())
        12 parameters (48 B) · 56 FLOP forward, 56 FLOP backward · 64 B of results, 32 B kept
        48 FLOP forward, 48 FLOP backward · 32 B of results, 0 B kept: t2 = matmul(x, W)
        8 FLOP forward, 8 FLOP backward · 32 B of results, 32 B kept: t3 = relu(t2)
        """
        if self.model.costs is None:
            raise ValueError("cost: it was not asked for: pass cost=True, or cost=\"time\"")
        return self.model.costs

    def steps(self) -> list[Step]:
        """Backward in slow motion: for each operation its rule in words, and the picture just after it has run.

        Raises ValueError where gradients are not known, in module style, and above 40 steps.

        >>> import autograd_mini as am
        >>> x = am.tensor(3.0, requires_grad=True)
        >>> y = x.tanh()
        >>> y.backward()
        >>> [step.caption for step in y.graph().steps()][1:]
        ['1  tanh passes g × (1 − out²): from y to x']
        """
        if self._plan is not None:
            raise ValueError('steps: every tensor must be shown: pass style="wire"')
        return steps(self.model, self.view)

    def html(self) -> str:
        """The picture as a self-contained page, which asks nothing of any network.

        A click folds or unfolds a module (up to 600 operations), or shows details; hovering shows the path to the
        output; steps where `steps` can; zoom, pan, search, a dark theme, all by keyboard, too; and a table.
        """
        self._check_size()
        words = Numbered()
        folds = foldable(self.model, self._options, self._plan, words)
        flat = None
        if folds is None or self._plan is None:
            flat = self._flat(self._plan)
        elif len(self.model.ops) <= MAX_UNFOLDED:
            flat = self._flat(None)
        head = header(self.view, self._plan)
        rows = table(self.model, self._options.precision)
        return page(flat, folds, self._plan is None, self.view.title, head, rows, remarks(self.model), words)

    def _flat(self, folded: Plan | None) -> Flat:
        """The picture for the page, with steps where there can be any."""
        view = self.view if folded is self._plan else view_of(self.model, self._options, folded)
        made = []
        if folded is None and (self._plan is None or len(self.model.ops) <= MAX_STEPPED):
            with contextlib.suppress(ValueError):
                made = steps(self.model, view)
        frames = [self._svg(step.view) for step in made] or [self._svg(view)]
        links = [(link.tail, link.head) for link in view.links if not link.back]
        told = details(self.model, view, folded, self._options.precision)
        return Flat(frames, [step.caption for step in made], told, links)

    def to_dict(self) -> dict[str, Any]:
        """The model behind the picture, as dictionaries, lists, numbers and text."""
        return {"format": "autograd_mini.graph", "version": 1, **asdict(self.model)}

    def to_json(self) -> str:
        """`to_dict` as JSON; nan and inf as words."""
        return json.dumps(_finite(self.to_dict()), indent=1, sort_keys=True, allow_nan=False) + "\n"

    def save(self, path: str | os.PathLike[str], animate: bool = False) -> None:
        """Write a file of the kind its suffix says: .svg .png .pdf .gif .html .dot .txt .json. Never half a file.

        A .gif shows backward step by step, and so does an .svg with animate=True, without scripts.
        """
        path = Path(path)
        makers: dict[str, Callable[[], str | bytes]] = {
            ".svg": lambda: animated([self._svg(step.view) for step in self.steps()]) if animate else self.svg(),
            ".gif": lambda: gif([_run_dot(to_dot(step.view), "png") for step in self.steps()]),
            ".html": self.html, ".png": self.png, ".pdf": lambda: self._render("pdf"), ".dot": lambda: self.dot,
            ".gv": lambda: self.dot, ".txt": lambda: self.text() + "\n", ".json": self.to_json,
        }  # fmt: skip
        suffix = path.suffix.lower()
        if animate and suffix not in (".svg", ".gif"):
            raise ValueError(f"animate=True: {suffix} pictures do not move, use .svg or .gif")
        if suffix not in makers:
            raise ValueError(f"cannot tell the format from {path.name!r}: use one of {', '.join(makers)}")
        made: str | bytes = makers[suffix]()
        with replacing(path) as file:
            file.write(made if isinstance(made, bytes) else made.encode())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """What notebooks show; never raises."""
        bundle: dict[str, Any] = {"text/plain": repr(self)}
        for kind, make in (("image/svg+xml", self._notebook_svg), ("image/png", self.png)):
            with contextlib.suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter("default")
                if (not include or kind in include) and kind not in (exclude or ()):
                    bundle[kind] = make()
        if len(bundle) == 1:
            with contextlib.suppress(Exception):
                bundle["text/plain"] = self.text()
        return bundle

    def __repr__(self) -> str:
        shown, hidden = len(self.model.ops), self.model.hidden
        more = f" of {shown + hidden:,}" if hidden else ""
        return f"<Graph: {shown:,}{more} operations, {len(self.model.wires):,} tensors; .text(), .svg(), .save(path)>"

    def _notebook_svg(self) -> str:
        """With ids of its own, so that two pictures on one page do not clash."""
        svg = self.svg()
        return svg.replace(' id="', f' id="g{hashlib.sha256(svg.encode()).hexdigest()[:8]}_')

    def _check_size(self) -> None:
        if len(self.view.boxes) > MAX_BOXES:
            raise GraphTooLarge(
                f"{len(self.view.boxes):,} boxes are more than the {MAX_BOXES:,} that can be laid out: pass max_ops="
                " a smaller number, draw an earlier tensor, or use .text(), .dot and .to_dict(), which have no limit"
            )

    def _render(self, kind: str) -> bytes:
        """What Graphviz makes of the DOT text."""
        self._check_size()
        return _run_dot(self.dot, kind)


def draw_graph(
    outputs: TensorCore | Sequence[TensorCore], params: Any = None, names: Mapping[str, Any] | None = None, *,
    style: str = "auto", depth: int = 1, expand: Collection[str] = (), fold: bool = True, min_repeats: int = 3,
    trace: trace_backward | None = None, cost: bool | str = False, show_values: bool = True, show_grads: bool = True,
    show_shapes: bool = True, show_dtypes: bool | None = None, max_ops: int = 200, precision: int = 3,
    max_items: int = 12, title: str | None = None, legend: bool = True, marks: bool = True, backend: str = "auto",
) -> Graph:  # fmt: skip
    """A picture of how `outputs` (one tensor or several) were computed, and of the gradients that flow back.

    params: a Module, {name: tensor} or tensors; those without a path to the output are drawn, too.
    names: {name: tensor}, or locals(); default: the variables of the code that calls this.
    style: "wire" shows every tensor; "module" folds modules `depth` levels down into cards (those in `expand` are
    opened one level further) and, unless fold=False, `min_repeats` or more equal consecutive layers into one; "auto":
    wire up to 30 operations (12 of modules), else module if that folds anything.
    trace: a `trace_backward` that has watched the backward pass; without it the gradients between the leaves are
    computed again, and shown if they explain what the leaves hold.
    cost: True adds floating-point operations and bytes; "time" also runs every operation again to measure it.
    show_dtypes: None shows those that differ. max_ops: operations drawn, nearest to the output. precision: digits.
    max_items: of a larger array mean ± standard deviation and [smallest, largest] are shown. title: default: the
    formula. marks: show what `Graph.check` finds. backend: of SVG: "dot", "builtin", or "auto": dot if installed.

    Changes nothing, and what it returns keeps no tensor alive.

    >>> import autograd_mini as am
    >>> x = am.tensor(3.0, requires_grad=True)
    >>> draw_graph((x * 2).tanh(), names={"x": x})
    <Graph: 2 operations, 3 tensors; .text(), .svg(), .save(path)>
    """
    options = Options(
        style, depth, tuple(expand), fold, min_repeats, show_values, show_grads, show_shapes, show_dtypes, max_ops,
        precision, max_items, title, legend, marks, backend,
    )  # fmt: skip
    if cost not in (False, True, "time"):
        raise ValueError(f'draw_graph: cost must be False, True or "time", not {cost!r}')
    tensors = list(outputs) if isinstance(outputs, Sequence) else [outputs]
    if not tensors or not all(isinstance(t, TensorCore) for t in tensors):
        raise TypeError("draw_graph: outputs must be a Tensor or a sequence of at least one")
    model, sources = read(tensors)
    if len(model.ops) > MAX_READ_VALUES:
        if cost:
            model.costs = costs_of(model, sources, [None] * len(model.wires), False)
        model, sources = crop(model, sources, options.max_ops)
    name_wires(model, sources, params, names)
    known = values.known_values(model, sources)
    if cost and model.costs is None:
        model.costs = costs_of(model, sources, known, cost == "time")
    show_gradients(model, sources, known, trace, options.max_items)
    values.show_values(model, known, options.max_items)
    mark_causes(model, known)
    return Graph(*_folded(model, sources, options), options)


def _folded(model: Model, sources: Sources, options: Options) -> tuple[Model, Plan | None]:
    """How the model is to be drawn: with a plan, or (None) every tensor; cropped if it is still too large."""
    most = AUTO_WIRE_MODULES if any(op.scope for op in model.ops) else AUTO_WIRE
    long = options.style == "auto" and len(model.ops) > most
    folded = plan(model, options) if options.style == "module" or long else None
    if folded is not None and long and len(folded.units) == len(model.ops):
        folded = None
    if folded is None or len(folded.units) > options.max_ops:
        model, _ = crop(model, sources, options.max_ops)
        folded = plan(model, options) if folded is not None else None
    return model, folded


def _run_dot(source: str, kind: str) -> bytes:
    """Through standard input, without a shell or a file; killed when the time is up."""
    from graphviz.backend import execute  # as graphviz.pipe does, but with a time limit

    if not shutil.which("dot"):
        raise RuntimeError(f"{kind.upper()} needs Graphviz's `dot`. {INSTALL}, or use .svg, which needs nothing")
    command = ["dot", f"-T{kind}", *(["-Gdpi=144"] if kind == "png" else [])]
    try:
        done = execute.run_check(command, input=source.encode(), capture_output=True, quiet=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"dot took longer than {TIMEOUT:g} s: pass a smaller max_ops=") from error
    return bytes(done.stdout)


@functools.cache
def _say_once(message: str) -> None:
    warnings.warn(message, stacklevel=3)


def _finite(value: Any) -> Any:
    """JSON knows no nan. The nesting is that of the model: shallow."""
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return str(value) if isinstance(value, float) and not -1e308 < value < 1e308 else value
