"""Words for a picture: the formula in its title, and one sentence on each operation's backward rule."""

from __future__ import annotations

from .model import Model, Op
from .names import unnamed
from .numbers import number

SYMBOLS = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "matmul": "@", "pow": "^", "pow_number": "^"}
_BINDING = {"add": 1, "sub": 1, "mul": 2, "div": 2, "matmul": 2, "neg": 3, "pow": 4, "pow_number": 4}
LABELS = {"sum": "Σ", "neg": "−", "pow_number": "^", "softmax_cross_entropy": "cross_entropy", "broadcast_to": "repeat"}
SUBLABELS = {"softmax_cross_entropy": "−log softmax(x)[target]", "linear": "x @ weightᵀ + bias"}
SLOTS = {name: ("left", "right") for name in ("sub", "div", "matmul")} | {"pow": ("base", "exponent")}
COMMUTATIVE = {"add", "mul", "maximum", "minimum"}

SENTENCES = {  # how an operation passes on the gradient g of its output
    "add": "+ passes g to both inputs",
    "sub": "− passes g to the left, −g to the right",
    "mul": "× passes g × the other input",
    "div": "÷ passes g ÷ right to the left, −g × out ÷ right to the right",
    "neg": "− turns the sign of g",
    "matmul": "@ passes g @ rightᵀ to the left, leftᵀ @ g to the right",
    "linear": "linear passes g @ weight to x, gᵀ @ x to the weight, Σ g to the bias",
    "pow_number": "x ^ n passes g × n × x ^ (n − 1)",
    "pow": "x ^ y passes g × y × x ^ (y − 1) to the base, g × out × log x to the exponent",
    "exp": "exp passes g × out",
    "log": "log passes g ÷ x",
    "sqrt": "sqrt passes g ÷ (2 × out)",
    "tanh": "tanh passes g × (1 − out²)",
    "sigmoid": "sigmoid passes g × out × (1 − out)",
    "relu": "relu passes g where out > 0, else 0",
    "abs": "abs passes g × sign(x)",
    "sum": "Σ repeats g for every item that was summed",
    "mean": "mean repeats g ÷ (number of items)",
    "amax": "amax passes g to the largest item",
    "amin": "amin passes g to the smallest item",
    "maximum": "maximum passes g to the larger input",
    "minimum": "minimum passes g to the smaller input",
    "where": "where passes g to the input that was chosen",
    "softmax": "softmax passes out × (g − Σ g × out)",
    "log_softmax": "log_softmax passes g − exp(out) × Σ g",
    "softmax_cross_entropy": "cross_entropy passes g × (softmax(x) − onehot(target))",
    "reshape": "reshape passes g in the old shape",
    "permute": "permute moves g's axes back",
    "swapaxes": "swapaxes exchanges g's axes back",
    "broadcast_to": "repeat passes g summed over the copies",
    "getitem": "indexing passes g to the items that were read, 0 elsewhere",
    "cat": "cat cuts g into the pieces",
}


def formula(model: Model, wire: int, limit: int = 110) -> str:
    """`loss = mean(relu(x @ W + b))`; with the names of tensors between where that is too long."""
    head = model.wires[wire].name
    for stop_at_names in (False, True):
        text = _expressions(model, limit, stop_at_names, wire).get(wire, ("", 0))[0]
        if text:
            return f"{head} = {text}" if head else text
    return head


def _expressions(model: Model, limit: int, stop_at_names: bool, last: int) -> dict[int, tuple[str, int]]:
    """For each wire that an operation made its formula, and how tightly its last operation binds."""
    names = unnamed(model.wires)
    texts: dict[int, tuple[str, int]] = {}
    for op in model.ops:
        args = []
        for o in op.operands:
            given = (number(o.constant), 3 if o.constant < 0 else 9) if o.constant is not None else None
            args.append(given or texts.get(o.wire or 0, (names[o.wire or 0], 9)))
        text, binding = _call(op, args) if all(text for text, _ in args) else ("", 0)
        named = stop_at_names and model.wires[op.wire].name and op.wire != last
        texts[op.wire] = (names[op.wire], 9) if named else (text if len(text) <= limit else "", binding)
    return texts


def _call(op: Op, args: list[tuple[str, int]]) -> tuple[str, int]:
    """The expression of one operation, with brackets only where they are needed."""
    binding = _BINDING.get(op.name)
    if op.name == "pow_number":
        args = [*args, (op.options.get("exponent", "?"), 9)]
    if binding is None or len(args) > 2:
        inside = [text for text, _ in args] + [f"{k}={v}" for k, v in op.options.items()]
        return f"{op.name if op.name == 'sum' else LABELS.get(op.name, op.name)}({', '.join(inside)})", 9
    loosest = (binding if binding < 3 else binding + 1, binding + 1)  # that stands at the left, at the right as it is
    left, *right = (text if b >= least else f"({text})" for (text, b), least in zip(args, loosest, strict=False))
    if op.name == "neg":
        return f"−{left}", binding
    return (f"{left}^{right[0]}" if binding == 4 else f"{left} {SYMBOLS[op.name]} {right[0]}"), binding
