"""Models as ONNX files, for the engines that run those; `pip install "autograd_mini[onnx]"`.

The model runs twice, at two batch sizes, while a watcher notes every operation that is recorded. What is equal in both
runs is a constant of the file, a size that grew with the batch is symbolic, and anything else that differs is an error.
Each primitive has its emitter, which says it in ONNX's operators: the table is in `onnx_emitters.py`.
"""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .creation import as_tensor
from .engine import Array, Node, TensorCore, wrap
from .extras import optional
from .modes import ModeSwitch
from .nn.module import Module
from .serialization import replacing
from .writes import writes

OPSET = 18
_BATCHES = (2, 3)  # of the two runs; what is equal in both is taken to be constant
# Inputs that keep their dtype; all others are cast to that of the result, as NumPy promotes them.
_KEEP = {("embedding", 1), ("take_along_dim", 1), ("where", 0), ("astype", 0)}


Source = int | str | None  # of an array: a step by its number, a weight or an input by its name, or a constant


class OnnxExportError(RuntimeError):
    """The model cannot be said in ONNX; the message says which operation, in which module, is why."""


@dataclass
class Step:
    """One operation of a run: its inputs as arrays, and where they come from."""

    node: Node
    out: Array
    values: tuple[Any, ...]
    sources: list[Source]

    @property
    def name(self) -> str:
        return self.node.primitive.name  # type: ignore[union-attr]

    @property
    def options(self) -> dict[str, Any]:
        return self.node.options or {}

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [tuple(np.shape(value)) for value in self.values]


@dataclass
class Call:
    """What an emitter is told: the operation as it ran in either run, and the ONNX names of its inputs."""

    step: Step
    other: Step
    inputs: list[str]

    def option(self, name: str) -> Any:
        return self.step.options[name]


# ------------------------------------------------------------------------------------------------------ watching


class _Run:
    """One run of the model, as a watcher sees it."""

    def __init__(self, model: Module, weights: dict[str, Any], inputs: dict[str, Any]) -> None:
        self.steps: list[Step] = []
        self._by_node: dict[Node | None, Source] = {}
        self._by_array: dict[int, tuple[Source, int]] = {}  # id of an array -> what it is, and since when
        for name, tensor in (*weights.items(), *inputs.items()):
            self._by_array[id(tensor._array)] = name, 0
            if tensor._node is not None:
                self._by_node[tensor._node] = name
        with ModeSwitch(grad=True, watch=self):
            self.outputs = [(t._array, self._source(t._node, t._array)) for t in _flat(model(*inputs.values()))]

    def forward(self, node: Node, out: Array, env: tuple[Any, ...]) -> None:
        prim = node.primitive
        assert prim is not None
        values = env[0] if prim.variadic else env[: len(prim.inputs)]
        sources = [self._source(*pair) for pair in zip(node.parents, values, strict=True)]
        self._by_node[node] = len(self.steps)
        self._by_array[id(out)] = len(self.steps), node.number
        self.steps.append(Step(node, out, values, sources))

    def backward(self, node: Node | None, i: int, gradient: Array) -> None:
        """Nobody asks for gradients."""

    def _source(self, node: Node | None, array: Any) -> Source:
        if node in self._by_node:
            return self._by_node[node]
        source, since = self._by_array.get(id(array), (None, 0))
        if source is not None and writes.of(array)[0] > since > 0:
            raise OnnxExportError(f"{source} was changed in place and then used without its history")
        return source


def _flat(output: Any) -> Iterator[TensorCore]:
    if isinstance(output, TensorCore):
        yield output
    elif isinstance(output, (tuple, list)):
        for part in output:
            yield from _flat(part)
    elif output is not None:
        raise OnnxExportError(f"the model returns a {type(output).__name__}: only tensors, tuples and lists of them")


def _needed(run: _Run) -> set[int]:
    """The steps that the outputs depend on."""
    todo = [source for _, source in run.outputs]
    needed: set[int] = set()
    while todo:
        if isinstance(source := todo.pop(), int) and source not in needed:
            needed.add(source)
            todo += run.steps[source].sources
    return needed


# ------------------------------------------------------------------------------------------------------ the graph


class Graph:
    """The ONNX graph while it grows. Emitters call `add` for an operator and `constant` for an array."""

    def __init__(self, weights: dict[str, Array], batch: tuple[str, int] | None) -> None:
        self.nodes: list[Any] = []
        self.weights, self.constants = weights, dict[str, Array]()
        self._batch, self._batch_name = batch, ""  # the input that shows the batch size, and the axis
        self._known: dict[Any, str] = {}
        self._taken = set(weights)
        self.scope = ""

    def name(self, wanted: str) -> str:
        """A name that nothing has yet."""
        name, i = wanted, 1
        while name in self._taken:
            name, i = f"{wanted}_{i}", i + 1
        self._taken.add(name)
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """One more node; the name of its output."""
        name = self.name(f"{self.scope}/{operator}" if self.scope else operator)
        self.nodes.append(_onnx().helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        """The name of this array, which stands in the file once."""
        array = np.asarray(value, dtype)
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._known:
            self._known[key] = self.name("constant")
            self.constants[self._known[key]] = array
        return self._known[key]

    def cast(self, name: str, dtype: Any) -> str:
        return self.add("Cast", name, to=_onnx().helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def sizes(self, one: Sequence[int], other: Sequence[int]) -> str:
        """A shape that was `one` and `other` in the two runs: the name of a vector of integers."""
        if tuple(one) == tuple(other):
            return self.constant(one)
        return self.add("Concat", *(self._size(a, b) for a, b in zip(one, other, strict=True)), axis=0)

    def _size(self, one: int, other: int) -> str:
        if one == other:
            return self.constant([one])
        factor = times_batch(one, other)
        if not self._batch_name:
            assert self._batch is not None
            name, axis = self._batch
            self._batch_name = self.add("Shape", name, start=axis, end=axis + 1)
        return self._batch_name if factor == 1 else self.add("Mul", self._batch_name, self.constant([factor]))

    def value(self, one: Any, other: Any, dtype: Any) -> str:
        """An input that no operation made: a constant, or one that was repeated for each sample, as a zero state is."""
        one, other = (np.asarray(v) if hasattr(v, "dtype") else np.asarray(v, dtype) for v in (one, other))
        if one.shape == other.shape and np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
            return self.constant(one, one.dtype)
        if one.ndim == other.ndim:
            axes = [axis for axis in range(one.ndim) if one.shape[axis] != other.shape[axis]]
            sample = one[tuple(slice(1) if axis in axes else slice(None) for axis in range(one.ndim))]
            if axes and all(np.array_equal(np.broadcast_to(sample, v.shape), v) for v in (one, other)):
                return self.add("Expand", self.constant(sample, one.dtype), self.sizes(one.shape, other.shape))
        raise OnnxExportError(
            f"an input, {one.dtype} {one.shape}, follows from the model's inputs in a way that is not recorded: by"
            " operations on integers or booleans, by .item() or .numpy(), or by the number of samples"
        )


Emitter = Callable[[Graph, Call], str]


def times_batch(one: int, other: int) -> int:
    """How many times the batch size these two sizes are."""
    if one * _BATCHES[1] != other * _BATCHES[0] or one % _BATCHES[0]:
        raise OnnxExportError(
            f"a size is {one} for {_BATCHES[0]} samples and {other} for {_BATCHES[1]}: only multiples of the batch size"
            " can be symbolic; with batch_axis=None all sizes are those of the example"
        )
    return one // _BATCHES[0]


# ------------------------------------------------------------------------------------------------------ exporting


def export(
    model: Module, example: Any, path: str | os.PathLike[str], *, input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None, batch_axis: int | None = 0
) -> None:
    """Write the model, as it predicts (in evaluation mode), to an ONNX file that `onnx.checker` has accepted.

    example: an input, or a tuple of them; their dtypes and sizes are those of the file, but for the batch axis, which
    is any size there (batch_axis=None: that of the example, too; 1 for recurrent layers without batch_first).
    input_names: default the parameters of `model.forward`. output_names: default output, or output_0, output_1 …
    Recurrent layers are written step by step, so sequences are as long there as the example's.
    Parameters and buffers keep their names in `state_dict`. What happens on integers, and `if`s on values, is not
    recorded: it becomes constant, or, where the two runs of the model show it to depend on the inputs, an error.
    Raises OnnxExportError, naming the operation and the module it ran in.

    >>> import autograd_mini as am, tempfile, os
    >>> model = am.nn.Sequential(am.nn.Linear(2, 3), am.nn.Tanh())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export(model, am.ones(1, 2), f"{folder}/model.onnx")
    ...     os.listdir(folder)
    ['model.onnx']
    """
    onnx = _onnx()
    model = copy.deepcopy(model).cpu().eval()
    weights: dict[str, Any] = dict(model.state_dict(keep_vars=True))
    for tensor in weights.values():
        tensor.requires_grad_(tensor.is_floating_point())
    graph = Graph({name: np.asarray(tensor._array) for name, tensor in weights.items()}, None)
    examples = [as_tensor(x).detach().cpu() for x in (example if isinstance(example, (tuple, list)) else (example,))]
    names = _named(graph, input_names, _parameters(model, len(examples)), "input")
    if batch_axis is not None:
        graph._batch = names[0], batch_axis % examples[0].ndim
    one, other = (_run(model, weights, names, examples, batch_axis, which) for which in (0, 1))
    count = len(one.outputs)
    results = _named(graph, output_names, ["output"] if count == 1 else [f"output_{i}" for i in range(count)], "output")
    _emit_all(graph, one, other)
    inputs = [_described(n, e.dtype, e.shape, batch_axis) for n, e in zip(names, examples, strict=True)]
    outputs = _outputs(graph, one, other, results)
    proto = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, type(model).__name__, inputs, outputs, _initializers(graph)),
        producer_name="autograd_mini", opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=8,
    )
    onnx.checker.check_model(proto, full_check=True)
    with replacing(path) as file:
        file.write(proto.SerializeToString())


def _named(graph: Graph, wanted: Sequence[str] | None, defaults: Sequence[str], what: str) -> list[str]:
    """The wanted names, or the defaults, which make way for others where they are taken."""
    if wanted is not None and len(wanted) != len(defaults):
        raise ValueError(f"{len(wanted)} {what}_names for {len(defaults)} {what}s")
    names = [graph.name(name) for name in wanted or defaults]
    if wanted is not None and names != list(wanted):
        raise ValueError(f"{what}_names {list(wanted)}: one is there twice, or is that of a parameter, buffer or input")
    return names


def _onnx() -> Any:
    return optional("onnx", "onnx", "exporting needs")


def _parameters(model: Module, count: int) -> list[str]:
    names = [p.name for p in inspect.signature(model.forward).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    return names[:count] if len(names) >= count else [f"input_{i}" for i in range(count)]


def _run(
    model: Module, weights: dict[str, Any], names: list[str], examples: list[Any], batch_axis: int | None, which: int
) -> _Run:
    """Run the model on so many samples of the example; in the second run with other values, in another order.

    Three quarters of a number is of its sign, and still a probability if it was one.
    """
    inputs = {}
    for name, tensor in zip(names, examples, strict=True):
        array = np.asarray(tensor._array)
        if batch_axis is not None:
            array = np.take(array, np.arange(_BATCHES[which]), axis=batch_axis, mode="wrap")
        if which:
            array = np.random.default_rng(0).permutation(array.ravel()).reshape(array.shape)
            array = array * np.asarray(0.75, array.dtype) if array.dtype.kind == "f" else array
        inputs[name] = wrap(np.array(array)).requires_grad_(array.dtype.kind == "f")
    return _Run(model, weights, inputs)


def _emit_all(graph: Graph, one: _Run, other: _Run) -> None:
    """The steps that the outputs need, one after the other."""
    from .onnx_emitters import EMITTERS, VARYING

    names: dict[Source, str] = {}
    if [(s.name, s.sources) for s in one.steps] != [(s.name, s.sources) for s in other.steps]:
        raise OnnxExportError("the model runs other operations for other inputs, or for another number of them")
    for i in sorted(_needed(one)):
        first, second = one.steps[i], other.steps[i]
        graph.scope = first.node.mode.scope.replace(".", "/")
        try:
            if first.name not in EMITTERS:
                raise OnnxExportError(f"there is no emitter for it; write one, under @onnx.emitter({first.name!r})")
            if first.name not in VARYING and not _equal(first.options, second.options):
                raise OnnxExportError(f"an option ({', '.join(first.options)}) depends on the inputs")
            inputs = [_input(graph, names, first, second, j) for j in range(len(first.values))]
            names[i] = EMITTERS[first.name](graph, Call(first, second, inputs))
        except OnnxExportError as error:
            place = f"{first.name} in {first.node.mode.scope or 'the model'}"
            raise OnnxExportError(f"{place} cannot be exported: {error}") from None
    graph.scope = ""
    one.outputs = [(array, names.get(source, source)) for array, source in one.outputs]


def _equal(one: Any, other: Any) -> bool:
    """Equal options, which may be nested and hold arrays."""
    if isinstance(one, dict):
        return all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, (tuple, list)) and len(one) == len(other):
        return all(_equal(a, b) for a, b in zip(one, other, strict=True))
    return bool(np.array_equal(one, other)) if isinstance(one, np.ndarray) else bool(one == other)


def _input(graph: Graph, names: dict[Source, str], one: Step, other: Step, j: int) -> str:
    """The name of input j, cast if it has another dtype than the result."""
    dtype, value, source = one.node.dtype, one.values[j], one.sources[j]
    found = graph.value(value, other.values[j], dtype) if source is None else str(names.get(source, source))
    parent = one.node.parents[j]
    given = parent.dtype if parent is not None else getattr(value, "dtype", dtype)
    return found if given == dtype or (one.name, j) in _KEEP else graph.cast(found, dtype)


def _described(name: str, dtype: Any, shape: Sequence[Any], batch_axis: int | None) -> Any:
    onnx = _onnx()
    sizes: list[Any] = list(shape)
    if batch_axis is not None:
        sizes[batch_axis] = "batch"
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), sizes)


def _outputs(graph: Graph, one: _Run, other: _Run, names: Sequence[str]) -> list[Any]:
    """The outputs under these names, and which of their sizes are symbolic."""
    described = []
    for name, (array, source), (again, _) in zip(names, one.outputs, other.outputs, strict=True):
        found = graph.value(array, again, array.dtype) if source is None else source
        graph.nodes.append(_onnx().helper.make_node("Identity", [found], [name], name))
        pairs = zip(array.shape, again.shape, strict=True)
        sizes = [n if n == m else f"{times_batch(n, m)}*batch".removeprefix("1*") for n, m in pairs]
        described.append(_described(name, array.dtype, sizes, None))
    return described


def _initializers(graph: Graph) -> list[Any]:
    used = {name for node in graph.nodes for name in node.input}
    arrays = {**graph.weights, **graph.constants}
    return [_onnx().numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
            for name, array in arrays.items() if name in used]  # fmt: skip


def emitter(name: str) -> Callable[[Emitter], Emitter]:
    """Decorator: the function says the primitive of this name in ONNX's operators, for `export`.

    It gets the Graph and the Call, and returns the name of the result.

    >>> @emitter("my_square")
    ... def square(graph, call):
    ...     return graph.add("Mul", call.inputs[0], call.inputs[0])
    """
    from .onnx_emitters import EMITTERS

    def enter(function: Emitter) -> Emitter:
        EMITTERS[name] = function
        return function

    return enter
