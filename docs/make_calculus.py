"""Writes `calculus.md`, the table of primitives and their derivatives, from the registry and the source of the rules.

    python docs/make_calculus.py            # write the page
    python docs/make_calculus.py --check    # say whether it is up to date
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import autograd_mini
from autograd_mini.primitive import OPERATIONS, PRIMITIVES, Primitive

PAGE = Path(__file__).parent / "calculus.md"
HEAD = """# The calculus

<!-- Written by docs/make_calculus.py from the table of primitives: change the rules, not this page. -->

Every derivative that `autograd_mini` knows. A **primitive** has a rule for each of its inputs: `g` is the gradient of
its result `out`, and what the rule names beside `g` is all that the graph keeps (`x_shape` is the shape alone). The
engine undoes broadcasting and restores the dtype of the input, so no rule does. The rules are made of operations that
are themselves in this table, so each can be differentiated again. A **composition** is made of others, and has none.
What happens at kinks and ties is shown, and executed, in [conventions](conventions.md).
"""


# Primitives that PyTorch has under another name, or only inside others.
TORCH = {
    "pow_number": "`x ** number`", "clip_number": "`clamp`, numbers as bounds", "astype": "`to`",
    "getitem": "`x[i]`, a view", "index": "`x[i]`, a copy", "setitem": "`x[i] = v`",
    "copy_slices": "`x.T[i] = v` and the like",
    "put": "in `index_put`, accumulating", "put_diagonal": "in `diagonal`", "windows_of": "`F.unfold`",
    "to_device": "`to`", "overlap_add": "`F.fold`", "convolution": "`F.conv1d`, `F.conv2d`",
    "conv_transpose": "`F.conv_transpose1d`, `F.conv_transpose2d`", "conv_weight": "in `F.conv2d`",
    "ndtr": "`special.ndtr`", "normal_pdf": "in `special.ndtr`",
    "p_norm": "`norm`", "topk_indices": "`topk`", "cofactor": "in `det`", "logabsdet": "`slogdet`",
    "det_sign": "`slogdet`", "linear": "`F.linear`", "softmax_cross_entropy": "`F.cross_entropy`",
    "standardize": "in `F.layer_norm` and its like", "scale_shift": "in `F.layer_norm` and its like",
    "binary_losses": "`F.binary_cross_entropy_with_logits`", "sum_pool": "`F.avg_pool1d`, `F.avg_pool2d`",
    "max_pool": "`F.max_pool1d`, `F.max_pool2d`", "first_hits": "in `F.max_pool2d`",
    "adaptive_max_indices": "`F.adaptive_max_pool2d`",
}  # fmt: skip

# What the gradient is where there is none, or more than one.
KINKS = {
    "abs": "0 at 0", "sign": "0", "relu": "0 at 0", "leaky_relu": "the slope at 0", "hardtanh": "0 at the bounds",
    "clip_number": "passes at the bounds", "maximum": "half to each where equal",
    "minimum": "half to each where equal", "amax": "equal ones share evenly", "amin": "equal ones share evenly",
    "max_pool": "the first of equal ones", "median": "equal ones share evenly", "sqrt": "infinite at 0",
    "p_norm": "0 at 0", "std": "0 where all are equal", "hypot": "0 at (0, 0)", "pow": "0 for y at x = 0",
    "prod": "exact with zeros", "cumprod": "exact with zeros", "logsumexp": "0 where all are -inf",
    "logaddexp": "0 where both are -inf", "floor": "0", "ceil": "0", "trunc": "0", "round": "0", "floor_divide": "0",
    "remainder": "that between the jumps", "fmod": "that between the jumps",
    "take_along_dim": "adds up where an index repeats", "index": "adds up where an index repeats",
    "embedding": "adds up where an index repeats", "setitem": "to the value that stays, where an index repeats",
}  # fmt: skip


@cache
def lambdas(file: str) -> dict[tuple[int, tuple[str, ...]], ast.Lambda]:
    """The lambdas of a file, by line and parameters."""
    nodes = ast.walk(ast.parse(Path(file).read_text(encoding="utf-8")))
    return {(n.lineno, tuple(a.arg for a in n.args.args)): n for n in nodes if isinstance(n, ast.Lambda)}


def formula(rule: Callable[..., Any]) -> str:
    """What a rule returns, as its source has it; of a longer function, its name and the reason it gives."""
    code = rule.__code__
    found = lambdas(code.co_filename).get((code.co_firstlineno, code.co_varnames[: code.co_argcount]))
    if found is not None:
        return f"`{ast.unparse(found.body)}`"
    body = ast.parse(inspect.getsource(rule).strip()).body[0]
    assert isinstance(body, ast.FunctionDef)
    steps = [s for s in body.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    if len(steps) == 1 and isinstance(steps[0], ast.Return) and steps[0].value is not None:
        return f"`{ast.unparse(steps[0].value)}`"
    first = (inspect.getdoc(rule) or "").split("\n")[0]
    return f"`{rule.__name__}`" + (f": {first}" if first else "")


def family(operation: Any) -> str:
    """The file of `rules/` that an operation comes from."""
    function = operation.forward if isinstance(operation, Primitive) else operation
    rules = [rule for rule in getattr(operation, "rules", ()) if rule is not None]
    for candidate in (*rules, inspect.unwrap(function)):
        code = getattr(candidate, "__code__", None)
        if code is not None and "rules" in Path(code.co_filename).parts:
            return Path(code.co_filename).stem
    return "elementwise"


def ours() -> list[Primitive]:
    """The primitives of `rules/`: a program, or another page of the docs, may have entered some of its own."""

    def here(function: Any) -> bool:
        code = getattr(inspect.unwrap(function), "__code__", None) if function is not None else None
        return code is None or not {"rules", "numpy"}.isdisjoint(Path(code.co_filename).parts)

    return [p for p in PRIMITIVES.values() if all(map(here, (p.forward, *p.rules)))]


def summary(function: Any) -> str:
    """The first paragraph of a docstring; of a ufunc its name, of a function of `operator` what it stands for."""
    if isinstance(function, np.ufunc):
        return f"`np.{function.__name__}`"
    text = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")
    if function.__module__ == "_operator":
        return f"`{text.removeprefix('Same as ').rstrip('.')}`"
    return text.replace("|", "\\|")


def primitive_rows(primitive: Primitive) -> Iterator[str]:
    """One row per input that has a rule; one in all for an operation without gradient."""
    names = f"`{primitive.name}({', '.join([*primitive.inputs, *primitive.options])})`"
    torch = TORCH.get(primitive.name, f"`{primitive.name}`")
    first = f"| {names} | {torch} | {summary(primitive.forward)} "
    rules = [(name, rule) for name, rule in zip(primitive.inputs, primitive.rules, strict=True) if rule is not None]
    for i, (name, rule) in enumerate(rules):
        kept = [n for n in inspect.signature(rule).parameters if n not in ("g", "i", *primitive.options)]
        kink = KINKS.get(primitive.name, "") if i == 0 else ""
        derivative = formula(rule).replace("|", "\\|")
        yield f"{first if i == 0 else '| | | '}| {name} | {derivative} | {', '.join(kept) or '–'} | {kink} |"
    if not rules:
        yield f"{first}| | no gradient | – | |"


def page() -> str:
    lines = [HEAD]
    families: dict[str, list[Primitive]] = {}
    for primitive in ours():
        families.setdefault(family(primitive), []).append(primitive)
    made: dict[str, list[str]] = {}
    for name, function in OPERATIONS.items():
        if not hasattr(function, "primitive"):
            made.setdefault(family(function), []).append(f"| `{name}` | {summary(function)} |")
    for title in sorted(families.keys() | made.keys()):
        lines.append(f"\n## {title}\n")
        if title in families:
            lines.append("| primitive | PyTorch | value | input | gradient | kept | at kinks |")
            lines.append("|---|---|---|---|---|---|---|")
            lines += [row for primitive in families[title] for row in primitive_rows(primitive)]
        if title in made:
            lines += ["", "| composition | value |", "|---|---|", *sorted(made[title])]
    return "\n".join(lines) + "\n"


def main() -> int:
    text = page()
    if "--check" in sys.argv:
        return int(PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE.name}: {len(ours())} primitives of autograd_mini {autograd_mini.__version__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
