"""Documents the public names from the code: the directive `public`, and docstrings written in Markdown's manner."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from make_calculus import family, formula

from autograd_mini.primitive import MISSING, OPERATIONS, Primitive


def public_names(module: str) -> list[str]:
    """What a module offers: `__all__`, or else what it defines itself without an underscore in front."""
    home = importlib.import_module(module)
    own = [n for n, x in vars(home).items() if getattr(x, "__module__", "") == module and not n.startswith("_")]
    return [n for n in getattr(home, "__all__", own) if not inspect.ismodule(getattr(home, n))]


def operations(rules: str) -> list[str]:
    """The operations that a file of `rules/` declares, other names of them last."""
    here = [n for n, f in OPERATIONS.items() if family(getattr(f, "primitive", f)) == rules]
    return sorted(here, key=lambda n: OPERATIONS[n].__name__ != n)


def members(kind: type) -> list[str]:
    """What a class defines itself, and Tensor also in its core; the operations have a page of their own."""
    bases = [c for c in kind.__mro__ if c is kind or c.__name__ == "TensorCore"]
    return [
        n for c in bases for n, x in vars(c).items()
        if not n.startswith("_") and (inspect.isroutine(x) or isinstance(x, property)) and getattr(x, "__doc__", "")
        and (not inspect.isfunction(x) or x.__qualname__.startswith(c.__name__))
    ]  # fmt: skip


def entry(module: str, name: str) -> Iterator[str]:
    """The autodoc directive for one name."""
    value = getattr(importlib.import_module(module), name)
    home = getattr(value, "__module__", None) or type(value).__module__
    if not home.startswith("autograd_mini"):
        what = f"NumPy's `{name}`" if home.startswith("numpy") else f"A {type(value).__name__}"
        size = f" of {len(value)}: {', '.join(map(str, value))}" if isinstance(value, dict) else ""
        yield f".. py:data:: {module}.{name}"
        yield f"\n   {_prose(what + size)}."
    elif OPERATIONS.get(name) is value and value.__name__ != name:
        yield f".. py:function:: {module}.{name}"
        yield f"\n   Another name for `{value.__name__}`."
    elif inspect.isclass(value):
        yield f".. autoclass:: {module}.{name}"
        yield f"   :members: {', '.join(members(value))}"
    elif callable(value):
        yield f".. autofunction:: {module}.{name}"
    else:
        yield f".. py:data:: {module}.{name}"
        yield f"\n   {_prose((inspect.getdoc(value) or '').split(chr(10))[0])}"
    yield ""


# ------------------------------------------------------------------------------- docstrings: Markdown's manner to reST

_CODE = re.compile(r"(`[^`]+`)")


def _prose(text: str) -> str:
    """`code` stays code; everything else is text, whatever reST might make of its asterisks and bars."""
    text = re.sub(r"\s+", " ", text)
    parts = [f"`{p}`\\ " if i % 2 else re.sub(r"([*|\\]|_\b)", r"\\\1", p) for i, p in enumerate(_CODE.split(text))]
    return "".join(parts)


def _paragraph(lines: list[str], parameters: set[str]) -> list[str]:
    """Lines without a blank one among them: prose, or `name: what it is` for parameters, or what keeps its layout."""
    parts: list[tuple[str, str]] = [("", "")]
    for line in lines:
        names, colon, rest = line.partition(": ")
        if colon and {*names.split(", ")} <= parameters:
            parts.append((names, rest))
        else:
            parts[-1] = (parts[-1][0], f"{parts[-1][1]} {line}")
    if len(parts) == 1 and any(line.startswith("    ") for line in lines):
        return ["::", "", *(f"    {line}" for line in lines)]
    named = {names: names if " of " in names else f"``{names}``" for names, _ in parts}
    return [f"- {named[names]}: {_prose(text)}" if names else _prose(text).strip() + "\n" for names, text in parts]


def restructured(text: str, parameters: set[str]) -> list[str]:
    """A docstring as reST: paragraphs, `>>>` examples, parameters as a list."""
    made: list[str] = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        lines = block.split("\n")
        start = next((i for i, line in enumerate(lines) if line.startswith(">>>")), len(lines))
        made += [*_paragraph(lines[:start], parameters), "", *lines[start:], ""]
    return "\n".join(made).split("\n")


def _primitive_doc(primitive: Primitive) -> list[str]:
    """What the operation does, and its rules."""
    function = primitive.forward
    if isinstance(function, np.ufunc):
        lines = [f"`np.{function.__name__}`, element by element."]
    elif function.__module__.startswith("numpy"):
        lines = [f"`np.{function.__name__}`."]
    elif function.__module__ == "_operator":
        lines = [(inspect.getdoc(function) or "").replace("Same as ", "`").rstrip(".") + "`, element by element."]
    else:
        lines = (inspect.getdoc(function) or "").split("\n")
    rules = [(n, r) for n, r in zip(primitive.inputs, primitive.rules, strict=True) if r is not None]
    return [*lines, "", *(f"gradient of {name}: {formula(rule)}" for name, rule in rules)]


def _docstring(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    primitive = getattr(thing, "primitive", None)
    if isinstance(primitive, Primitive):
        lines[:] = "\n".join(_primitive_doc(primitive)).split("\n")
    given: set[str] = {f"gradient of {n}" for n in primitive.inputs} if isinstance(primitive, Primitive) else set()
    try:
        parameters = set(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        parameters = set()
    lines[:] = [*restructured("\n".join(lines), parameters | given), ""]


def _signature(app: Any, what: str, name: str, thing: Any, options: Any, signature: Any, result: Any) -> Any:
    primitive = getattr(thing, "primitive", None)
    if not isinstance(primitive, Primitive):
        return None
    inputs = ["*" * primitive.variadic + n for n in primitive.inputs]
    named = [n if default is MISSING else f"{n}={default!r}" for n, default in primitive.options.items()]
    return f"({', '.join([*inputs, *named])})", ""


def setup(app: Any) -> None:
    from docutils.parsers.rst import directives
    from sphinx.util.docutils import SphinxDirective

    class Public(SphinxDirective):
        """`{public} module`: its public names, or those in `:only:`; with `:rules:`, the operations of that file."""

        required_arguments = 1
        option_spec = dict.fromkeys(("rules", "only", "except"), directives.unchanged)

        def run(self) -> list[Any]:
            module = self.arguments[0]
            names = operations(self.options["rules"]) if "rules" in self.options else public_names(module)
            names = self.options["only"].split() if "only" in self.options else names
            left_out = self.options.get("except", "").split()
            lines = [line for name in names if name not in left_out for line in entry(module, name)]
            return self.parse_text_to_nodes("\n".join(["```{eval-rst}", *lines, "```"]))

    app.add_directive("public", Public)
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("autodoc-process-signature", _signature)
