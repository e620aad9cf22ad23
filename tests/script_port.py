"""Would this PyTorch script run here? Swaps its imports and lists the names that autograd_mini does not have.

    python tests/script_port.py train.py                  what is missing, with line numbers
    python tests/script_port.py train.py --write ours.py  and the script with its imports swapped

It reads the script and never runs it: names are followed from the imports (`torch.nn.Linear`, `F.relu`, `optim.Adam`),
with the keywords of their calls. Attributes of anything else are reported where PyTorch's tensors, modules, optimizers
have them and nothing here has, if PyTorch is installed; what the script defines itself is left out.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import operator
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import autograd_mini as am
from autograd_mini.compat import Absent

PACKAGES = {"torchvision": "autograd_mini.vision", "torch": "autograd_mini"}


class Missing(NamedTuple):
    line: int
    name: str


def ours(module: str) -> str | None:
    """The module here that answers for one of PyTorch's; None for other packages."""
    for theirs, mine in PACKAGES.items():
        if module == theirs or module.startswith(theirs + "."):
            return mine + module.removeprefix(theirs)
    return None


def find(name: str) -> Any:
    """What a dotted name stands for here; AttributeError if nothing."""
    found: Any = am
    for i, part in enumerate(parts := name.split(".")[1:], 1):
        try:
            found = getattr(found, part)
        except AttributeError:
            try:
                found = importlib.import_module(".".join(["autograd_mini", *parts[:i]]))
            except ImportError:
                raise AttributeError(name) from None
    return found


def exists(name: str) -> bool:
    """Whether there is such a name, and more than a word of advice behind it."""
    try:
        return not isinstance(find(name), Absent)
    except AttributeError:
        return False


class Swap(ast.NodeTransformer):
    """Swaps the imports, and notes in `names` what each name that they bind stands for here."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.missing: list[Missing] = []

    def visit_Import(self, node: ast.Import) -> Any:
        for alias in node.names:
            if (mine := ours(alias.name)) is None:
                continue
            if not exists(mine):
                self.missing.append(Missing(node.lineno, alias.name))
            if alias.asname is None:  # `import torch.nn` binds torch
                top = alias.name.split(".")[0]
                alias.asname, mine = top, PACKAGES[top]
            self.names[alias.asname] = alias.name = mine
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        if node.level == 0 and node.module and (mine := ours(node.module)) is not None:
            for alias in node.names:
                if alias.name != "*" and not exists(f"{mine}.{alias.name}"):
                    self.missing.append(Missing(node.lineno, f"{node.module}.{alias.name}"))
                self.names[alias.asname or alias.name] = f"{mine}.{alias.name}"
            node.module = mine
        return node


def dotted(node: ast.AST) -> str | None:
    """The text of a chain of attributes of a name; None for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := dotted(node.value)) is not None:
        return f"{base}.{node.attr}"
    return None


def chains(node: ast.AST) -> Iterator[ast.Attribute]:
    """The attributes in a tree that are no part of a longer chain of them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Attribute):
            yield child
            while isinstance(child, ast.Attribute):
                child = child.value
        yield from chains(child)


KINDS = {
    "Tensor": ("Tensor", "Tensor"), "Module": ("nn.Module", "nn.Module"), "Sequential": ("nn.Sequential",) * 2,
    "Optimizer": ("optim.Optimizer",) * 2, "LRScheduler": ("optim.lr_scheduler.LRScheduler",) * 2,
    "DataLoader": ("utils.data.DataLoader",) * 2, "Generator": ("Generator",) * 2, "Size": ("Size", "Size"),
    "Distribution": ("distributions.Distribution",) * 2,
}  # fmt: skip


def missing_attributes() -> dict[str, str]:
    """Public attributes of PyTorch's objects that none of ours has, each with the kind of object that has it there."""
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return {}
    found: dict[str, str] = {}
    have = {"values", "indices"}  # of sparse tensors; of dicts, and of what x.max(dim) returns, too
    for kind, (theirs, mine) in KINDS.items():
        names = {name for name in dir(operator.attrgetter(theirs)(torch)) if not name.startswith("_")}
        have |= {name for name in names if hasattr(find(f"autograd_mini.{mine}"), name)}
        found = {**dict.fromkeys(names, kind), **found}
    return {name: kind for name, kind in found.items() if name not in have}


def own_names(tree: ast.AST) -> set[str]:
    """Attributes that the script makes itself: what its classes define, and what it assigns."""
    names = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    names |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    inside = (node for c in ast.walk(tree) if isinstance(c, ast.ClassDef) for node in ast.walk(c))
    return names | {n.id for n in inside if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def keywords(function: Any) -> set[str] | None:
    """What may be given by name; None if that cannot be known, or is anything."""
    primitive = getattr(function, "primitive", None)
    if primitive is not None:
        return {*primitive.inputs, *primitive.options, "dim", "keepdim", "input", "other", "out"}
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return {*parameters, *({"input", "other", "out"} if _takes_out(function) else ())}


def _takes_out(function: Any) -> bool:
    """Whether `functions.function_of` made it."""
    return getattr(function, "__globals__", {}).get("__name__") == "autograd_mini.functions"


def port(source: str) -> tuple[str, list[Missing]]:
    """The script with its imports swapped, and the names that it uses and that are missing, in order of lines."""
    swap = Swap()
    tree = swap.visit(ast.parse(source))
    missing, own = swap.missing, own_names(tree)
    attributes = {name: kind for name, kind in missing_attributes().items() if name not in own}
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    others = {(a.asname or a.name).split(".")[0] for node in imports for a in node.names} - swap.names.keys()
    for node in chains(tree):
        root, _, rest = (dotted(node) or "").partition(".")
        known = swap.names.get(root)
        if known is not None and exists(known):
            if not exists(f"{known}.{rest}"):
                missing.append(Missing(node.lineno, f"{root}.{rest}"))
        elif known is None and root not in others:
            names = rest.split(".") if rest else [node.attr]
            missing += [Missing(node.lineno, f"{attributes[name]}.{name}") for name in names if name in attributes]
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        root, _, rest = (dotted(call.func) or "").partition(".")
        whole = f"{swap.names.get(root, '')}.{rest}".rstrip(".")
        allowed = keywords(find(whole)) if root in swap.names and exists(whole) else None
        unknown = [k.arg for k in call.keywords if k.arg and allowed is not None and k.arg not in allowed]
        missing += [Missing(call.lineno, f"{dotted(call.func)}({name}=)") for name in unknown]
    return ast.unparse(tree), sorted(set(missing))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("script", type=Path)
    parser.add_argument("--write", type=Path, help="where to write the script with its imports swapped")
    options = parser.parse_args()
    text, missing = port(options.script.read_text(encoding="utf-8"))
    if options.write:
        options.write.write_text(text + "\n", encoding="utf-8")
    for line, name in missing:
        print(f"{options.script}:{line}: {name}")
    names = len({name for _, name in missing})
    print(f"{names} names are missing" if names else "nothing is missing")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
