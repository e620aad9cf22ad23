"""Each primitive in ONNX's operators: the table that `onnx.export` looks them up in.

An emitter gets the graph and the call, adds nodes, and returns the name of the result. Most are one operator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .onnx import Call, Emitter, Graph, OnnxExportError

VARYING = {"reshape", "broadcast_to", "getitem", "conv_transpose"}  # their options may grow with the batch

_OPERATORS = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "neg": "Neg", "pow": "Pow", "maximum": "Max",
    "minimum": "Min", "where": "Where", "matmul": "MatMul", "abs": "Abs", "sign": "Sign", "floor": "Floor",
    "ceil": "Ceil", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "erf": "Erf", "sigmoid": "Sigmoid", "tanh": "Tanh",
    "relu": "Relu", "sin": "Sin", "cos": "Cos", "tan": "Tan", "asin": "Asin", "acos": "Acos", "atan": "Atan",
    "sinh": "Sinh", "cosh": "Cosh", "asinh": "Asinh", "acosh": "Acosh", "atanh": "Atanh", "clone": "Identity",
}  # fmt: skip
_REDUCTIONS = {
    "sum": "ReduceSum", "mean": "ReduceMean", "amax": "ReduceMax", "amin": "ReduceMin", "prod": "ReduceProd",
    "logsumexp": "ReduceLogSumExp",
}  # fmt: skip


def _operator(name: str, **attributes: Callable[[Call], Any]) -> Emitter:
    """One operator, with attributes that are read off the call."""
    return lambda graph, call: graph.add(name, *call.inputs, **{key: of(call) for key, of in attributes.items()})


def _axis(call: Call) -> int:
    return int(call.option("axis"))


def _number(graph: Graph, call: Call, value: float) -> str:
    return graph.constant(value, call.step.node.dtype)


def _axes(call: Call) -> tuple[int, ...]:
    axis, ndim = call.option("axis"), len(call.step.shapes[0])
    given = range(ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return tuple(int(a) % ndim for a in given)


def _reduced(graph: Graph, operator: str, x: str, axes: Sequence[int], keepdims: bool) -> str:
    return graph.add(operator, x, *([graph.constant(axes)] if axes else []), keepdims=int(keepdims))


def _reduction(operator: str) -> Emitter:
    return lambda graph, call: _reduced(graph, operator, call.inputs[0], _axes(call), call.option("keepdims"))


# ---------------------------------------------------------------------------------------------------- elementwise


def _clip(low: str, high: str) -> Emitter:
    def clip(graph: Graph, call: Call) -> str:
        bounds = ["" if call.option(n) is None else _number(graph, call, call.option(n)) for n in (low, high)]
        return graph.add("Clip", call.inputs[0], *bounds)

    return clip


def _elu(graph: Graph, call: Call) -> str:
    """scale (max(x, 0) + min(alpha (exp(input_scale x) - 1), 0))."""
    (x,), zero = call.inputs, _number(graph, call, 0.0)
    inner = graph.add("Mul", x, _number(graph, call, call.option("input_scale")))
    below = graph.add("Sub", graph.add("Exp", inner), _number(graph, call, 1.0))
    below = graph.add("Min", graph.add("Mul", below, _number(graph, call, call.option("alpha"))), zero)
    total = graph.add("Add", graph.add("Max", x, zero), below)
    return graph.add("Mul", total, _number(graph, call, call.option("scale")))


def _softplus(graph: Graph, call: Call) -> str:
    """Without the threshold, above which the difference is below exp(-20)."""
    if call.option("beta") == 1:
        return graph.add("Softplus", call.inputs[0])
    beta = _number(graph, call, call.option("beta"))
    return graph.add("Div", graph.add("Softplus", graph.add("Mul", call.inputs[0], beta)), beta)


def _with_number(first: str, second: str, number: float, swapped: bool = False) -> Emitter:
    """second(first(x), number), or with the two of them swapped."""

    def emit(graph: Graph, call: Call) -> str:
        pair = graph.add(first, call.inputs[0]), _number(graph, call, number)
        return graph.add(second, *(pair[::-1] if swapped else pair))

    return emit


def _ndtr(graph: Graph, call: Call) -> str:
    """(1 + erf(x / sqrt(2))) / 2."""
    scaled = graph.add("Mul", call.inputs[0], _number(graph, call, math.sqrt(0.5)))
    doubled = graph.add("Add", graph.add("Erf", scaled), _number(graph, call, 1.0))
    return graph.add("Mul", doubled, _number(graph, call, 0.5))


def _round(graph: Graph, call: Call) -> str:
    if call.option("decimals"):
        raise OnnxExportError("ONNX rounds to integers only")
    return graph.add("Round", call.inputs[0])


# ---------------------------------------------------------------------------------------------------------- shapes


def _reshape(graph: Graph, call: Call) -> str:
    one, other = call.step.out.shape, call.other.out.shape
    sizes = [n if n == m else -1 for n, m in zip(one, other, strict=True)]
    if sizes.count(-1) <= 1:  # ONNX finds it out
        return graph.add("Reshape", call.inputs[0], graph.constant(sizes), allowzero=1)
    return graph.add("Reshape", call.inputs[0], graph.sizes(one, other), allowzero=1)


def _order(call: Call) -> list[int]:
    dims = call.option("dims")
    return [int(d) % len(dims) for d in dims]


def _swapaxes(graph: Graph, call: Call) -> str:
    order = list(range(len(call.step.shapes[0])))
    a, b = call.option("axis0"), call.option("axis1")
    order[a], order[b] = order[b], order[a]
    return graph.add("Transpose", call.inputs[0], perm=order)


def _stack(graph: Graph, call: Call) -> str:
    axis = int(call.option("axis"))
    parts = [graph.add("Unsqueeze", x, graph.constant([axis])) for x in call.inputs]
    return graph.add("Concat", *parts, axis=axis)


def _sliced(graph: Graph, x: str, parts: dict[int, tuple[int, int, int]]) -> str:
    """x with axis: (start, stop, step) for each axis that is not taken whole."""
    if not parts:
        return x
    starts, stops, steps = zip(*parts.values(), strict=True)
    return graph.add("Slice", x, *map(graph.constant, (starts, stops, list(parts), steps)))


def _flip(graph: Graph, call: Call) -> str:
    least = np.iinfo(np.int64).min
    ndim = len(call.step.shapes[0])
    return _sliced(graph, call.inputs[0], {int(d) % ndim: (-1, least, -1) for d in call.option("dims")})


def _ranges(index: Any, shape: tuple[int, ...]) -> tuple[list[tuple[int, int, int] | None], list[int], list[int]]:
    """For each axis what an index takes of it, None for all; which of the axes go, and where new ones come."""
    index = list(index) if isinstance(index, tuple) else [index]
    missing = len(shape) - sum(part is not None and part is not ... for part in index)
    at = index.index(...) if ... in index else len(index)
    index[at : at + 1] = [slice(None)] * missing
    ranges: list[tuple[int, int, int] | None] = []
    gone: list[int] = []
    new: list[int] = []
    kept = 0
    for part in index:
        if part is None:
            new.append(kept + len(new))
            continue
        size = shape[len(ranges)]
        if isinstance(part, slice):
            start, stop, step = part.indices(size)
            whole = (start, stop, step) == (0, size, 1)
            ranges.append(None if whole else (start, stop if stop >= 0 else -size - 1, step))
            kept += 1
        else:
            gone.append(len(ranges))
            ranges.append((int(part) % size, int(part) % size + 1, 1))
    return ranges, gone, new


def _getitem(graph: Graph, call: Call) -> str:
    ranges, gone, new = _ranges(call.option("index"), call.step.shapes[0])
    if _ranges(call.other.options["index"], call.other.shapes[0])[0] != ranges:
        raise OnnxExportError(f"index {call.option('index')} is another one for another batch")
    x = _sliced(graph, call.inputs[0], {axis: r for axis, r in enumerate(ranges) if r is not None})
    x = graph.add("Squeeze", x, graph.constant(gone)) if gone else x
    x = graph.add("Unsqueeze", x, graph.constant(new)) if new else x
    return x if x != call.inputs[0] else graph.add("Identity", x)


def _index(graph: Graph, call: Call) -> str:
    index = call.option("index")
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [i for i, part in enumerate(parts) if isinstance(part, np.ndarray)]
    others = [part for i, part in enumerate(parts) if i not in arrays]
    if len(arrays) != 1 or any(not isinstance(part, slice) or part != slice(None) for part in others):
        raise OnnxExportError("only one array of integers, and whole axes beside it, can be an index")
    array = parts[arrays[0]]
    if array.dtype.kind == "b":
        raise OnnxExportError("an index of booleans has no fixed size")
    return graph.add("Gather", call.inputs[0], graph.constant(array), axis=arrays[0])


# ------------------------------------------------------------------------------------------------- sums and products


def _linear(graph: Graph, call: Call) -> str:
    x, weight, bias = call.inputs
    without = isinstance(call.step.values[2], (int, float))  # 0.0
    if len(call.step.shapes[0]) == 2:
        return graph.add("Gemm", x, weight, *([] if without else [bias]), transB=1)
    product = graph.add("MatMul", x, graph.add("Transpose", weight, perm=[1, 0]))
    return product if without else graph.add("Add", product, bias)


def _standardized(graph: Graph, call: Call) -> str:
    axes = _axes(call)
    centred = graph.add("Sub", call.inputs[0], _reduced(graph, "ReduceMean", call.inputs[0], axes, True))
    variance = _reduced(graph, "ReduceMean", graph.add("Mul", centred, centred), axes, True)
    noisy = graph.add("Add", variance, _number(graph, call, call.option("eps")))
    return graph.add("Div", centred, graph.add("Sqrt", noisy))


def _var(graph: Graph, call: Call) -> str:
    axes, keepdims = _axes(call), call.option("keepdims")
    one, other = (math.prod(step.shapes[0][axis] for axis in axes) for step in (call.step, call.other))
    if one != other:
        raise OnnxExportError("a variance over the batch")
    centred = graph.add("Sub", call.inputs[0], _reduced(graph, "ReduceMean", call.inputs[0], axes, True))
    total = _reduced(graph, "ReduceSum", graph.add("Mul", centred, centred), axes, keepdims)
    return graph.add("Div", total, _number(graph, call, one - call.option("correction")))


def _p_norm(graph: Graph, call: Call) -> str:
    operators = {1: "ReduceL1", 2: "ReduceL2"}
    if call.option("p") not in operators:
        raise OnnxExportError(f"p must be 1 or 2, not {call.option('p')}")
    return _reduced(graph, operators[call.option("p")], call.inputs[0], _axes(call), call.option("keepdims"))


# --------------------------------------------------------------------------------------------------------- windows


def _beyond(windows: Sequence[Any], sizes: Sequence[int]) -> list[int]:
    """For each axis how far the last window reaches beyond it, or ends before."""
    spans = [(w.number - 1) * w.stride + (w.kernel - 1) * w.dilation + 1 for w in windows]
    return [span - w.padding - n for w, span, n in zip(windows, spans, sizes, strict=True)]


def _window_attributes(windows: Sequence[Any], sizes: Sequence[int]) -> dict[str, Any]:
    """What slides, and as much padding as its last window needs."""
    after = [max(0, n) for n in _beyond(windows, sizes)]
    return {
        "kernel_shape": [w.kernel for w in windows], "strides": [w.stride for w in windows],
        "dilations": [w.dilation for w in windows], "pads": [w.padding for w in windows] + after,
    }  # fmt: skip


def _planes(call: Call) -> tuple[Sequence[Any], tuple[int, ...]]:
    """The windows, and the sizes that they slide over; ONNX wants one axis of samples and one of channels before."""
    windows, shape = call.option("windows"), call.step.shapes[0]
    if len(shape) != len(windows) + 2:
        raise OnnxExportError(f"its input must have a batch and a channel axis, and is {list(shape)}")
    return windows, shape[2:]


def _convolution(graph: Graph, call: Call) -> str:
    windows, sizes = _planes(call)
    group = call.step.shapes[0][1] // call.step.shapes[1][1]
    return graph.add("Conv", *call.inputs, group=group, **_window_attributes(windows, sizes))


def _conv_transpose(graph: Graph, call: Call) -> str:
    windows, shape = call.option("windows"), call.option("shape")
    attributes = _window_attributes(windows, shape[2:])
    attributes["output_padding"] = [max(0, -n) for n in _beyond(windows, shape[2:])]
    return graph.add("ConvTranspose", *call.inputs, group=shape[1] // call.step.shapes[1][1], **attributes)


def _max_pool(graph: Graph, call: Call) -> str:
    return graph.add("MaxPool", call.inputs[0], **_window_attributes(*_planes(call)))


def _sum_pool(graph: Graph, call: Call) -> str:
    """A mean of all that a window covers, padding too, times how much that is."""
    windows, sizes = _planes(call)
    attributes = _window_attributes(windows, sizes)
    del attributes["dilations"]  # they are 1
    pooled = graph.add("AveragePool", call.inputs[0], count_include_pad=1, **attributes)
    return graph.add("Mul", pooled, _number(graph, call, math.prod(w.kernel for w in windows)))


EMITTERS: dict[str, Emitter] = {
    **{name: _operator(operator) for name, operator in _OPERATORS.items()},
    **{name: _reduction(operator) for name, operator in _REDUCTIONS.items()},
    "pow_number": lambda g, call: g.add("Pow", call.inputs[0], _number(g, call, call.option("exponent"))),
    "clip_number": _clip("min", "max"), "hardtanh": _clip("min_val", "max_val"), "softplus": _softplus, "elu": _elu,
    "leaky_relu": _operator("LeakyRelu", alpha=lambda call: float(call.option("negative_slope"))), "ndtr": _ndtr,
    "log1p": lambda g, call: g.add("Log", g.add("Add", call.inputs[0], _number(g, call, 1.0))),
    "exp2": lambda g, call: g.add("Pow", _number(g, call, 2.0), call.inputs[0]), "round": _round,
    "expm1": _with_number("Exp", "Sub", 1.0), "erfc": _with_number("Erf", "Sub", 1.0, swapped=True),
    "log2": _with_number("Log", "Div", math.log(2)), "log10": _with_number("Log", "Div", math.log(10)),
    "astype": lambda g, call: g.cast(call.inputs[0], call.step.node.dtype), "reshape": _reshape,
    "broadcast_to": lambda g, call: g.add("Expand", call.inputs[0], g.sizes(call.step.out.shape, call.other.out.shape)),
    "permute": _operator("Transpose", perm=_order), "swapaxes": _swapaxes,
    "cat": _operator("Concat", axis=_axis), "stack": _stack, "flip": _flip, "getitem": _getitem, "index": _index,
    "embedding": _operator("Gather", axis=lambda call: 0), "take_along_dim": _operator("GatherElements", axis=_axis),
    "cumsum": lambda g, call: g.add("CumSum", call.inputs[0], g.constant(_axis(call))), "linear": _linear,
    "einsum": _operator("Einsum", equation=lambda call: "{a},{b}->{c}".format(**call.step.options)),
    "softmax": _operator("Softmax", axis=_axis), "log_softmax": _operator("LogSoftmax", axis=_axis),
    "standardize": _standardized, "var": _var, "std": lambda g, call: g.add("Sqrt", _var(g, call)), "p_norm": _p_norm,
    "scale_shift": lambda g, call: g.add("Add", g.add("Mul", *call.inputs[:2]), call.inputs[2]),
    "convolution": _convolution, "conv_transpose": _conv_transpose, "max_pool": _max_pool, "sum_pool": _sum_pool,
}  # fmt: skip
