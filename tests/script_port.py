"""Would this PyTorch script run here? Swaps its imports and lists the names that autograd_mini does not have.

    python tests/script_port.py train.py                  what is missing, with line numbers
    python tests/script_port.py train.py --write ours.py  and the script with its imports swapped

It reads the script and never runs it: names are followed from the imports (`torch.nn.Linear`, `F.relu`, `optim.Adam`);
other attributes are reported where PyTorch's tensors have such a method and ours do not, if PyTorch is installed.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import autograd_mini as am

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
    try:
        find(name)
    except AttributeError:
        return False
    return True


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


def tensor_names() -> set[str]:
    """Methods of PyTorch's tensors that ours have not."""
    try:
        import torch
    except ImportError:
        return set()
    return {name for name in dir(torch.Tensor) if not name.startswith("_") and not hasattr(am.Tensor, name)}


def port(source: str) -> tuple[str, list[Missing]]:
    """The script with its imports swapped, and the names that it uses and that are missing, in order of lines."""
    swap = Swap()
    tree = swap.visit(ast.parse(source))
    missing, methods = swap.missing, tensor_names()
    for node in chains(tree):
        root, _, rest = (dotted(node) or "").partition(".")
        known = swap.names.get(root)
        if known is not None and exists(known):
            if not exists(f"{known}.{rest}"):
                missing.append(Missing(node.lineno, f"{root}.{rest}"))
        elif known is None and node.attr in methods and root != "self":
            missing.append(Missing(node.lineno, f"Tensor.{node.attr}"))
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
    print(f"{len({name for _, name in missing})} names are missing")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
