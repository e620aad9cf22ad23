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
The names are PyTorch's wherever it has the operation; what happens at kinks is in [conventions](conventions.md).
"""


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
    rules = [(name, rule) for name, rule in zip(primitive.inputs, primitive.rules, strict=True) if rule is not None]
    for i, (name, rule) in enumerate(rules):
        kept = [n for n in inspect.signature(rule).parameters if n not in ("g", "i")]
        kept = [n for n in kept if n not in primitive.options]
        lead = f"| {names} | {summary(primitive.forward)} " if i == 0 else "| | "
        yield f"{lead}| {name} | {formula(rule).replace('|', chr(92) + '|')} | {', '.join(kept) or '–'} |"
    if not rules:
        yield f"| {names} | {summary(primitive.forward)} | | no gradient | – |"


def page() -> str:
    lines = [HEAD]
    families: dict[str, list[Primitive]] = {}
    for primitive in PRIMITIVES.values():
        families.setdefault(family(primitive), []).append(primitive)
    made: dict[str, list[str]] = {}
    for name, function in OPERATIONS.items():
        if not hasattr(function, "primitive"):
            made.setdefault(family(function), []).append(f"| `{name}` | {summary(function)} |")
    for title in sorted(families.keys() | made.keys()):
        lines.append(f"\n## {title}\n")
        if title in families:
            lines += ["| primitive | value | input | gradient | kept |", "|---|---|---|---|---|"]
            lines += [row for primitive in families[title] for row in primitive_rows(primitive)]
        if title in made:
            lines += ["", "| composition | value |", "|---|---|", *sorted(made[title])]
    return "\n".join(lines) + "\n"


def main() -> int:
    text = page()
    if "--check" in sys.argv:
        return int(PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE.name}: {len(PRIMITIVES)} primitives of autograd_mini {autograd_mini.__version__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
