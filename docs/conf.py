"""How Sphinx builds the documentation: `python -m sphinx -W docs out/docs`, then open `out/docs/index.html`.

Nothing on a page is fetched from a network: furo uses the fonts of the system, and formulas become MathML here.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE), str(HERE / "pictures")]  # the package, and what stands beside

from autograd_mini import __version__ as release  # noqa: E402, F401

project = "autograd_mini"
html_title = "autograd_mini"
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["page.css"]
html_copy_source = html_show_copyright = False
smartquotes = False  # quotes in docstrings are code as often as not
exclude_patterns = ["_*"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
toc_object_entries = False  # with every function in the navigation of every page, the build takes twice as long
pygments_style, pygments_dark_style = "default", "github-dark"
python_use_unqualified_type_names = True
autodoc_typehints = "none"  # the docstrings say it in words, the types stand in the source


def setup(app: Any) -> None:
    import api
    import stories
    from docutils.nodes import SkipNode
    from docutils.utils.math.latex2mathml import tex2mathml

    def formula(writer: Any, node: Any) -> None:
        block = node.tagname == "math_block"
        mathml = tex2mathml(node.astext(), as_block=block)
        writer.body.append(f'<div class="math">{mathml}</div>' if block else mathml)
        raise SkipNode

    def tidy(app: Any, page: str, source: list[str]) -> None:
        source[0] = re.sub(r"\n\n```$", "\n```", source[0], flags=re.M)  # the blank line that ends an example

    def one_way(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
        if page.startswith("_modules"):  # from the source back to the reference: wrong for what has two names there
            context["body"] = re.sub(r'<a class="viewcode-back".*?</a>', "", context["body"])

    stories.draw_missing()
    app.connect("source-read", tidy)
    app.connect("html-page-context", one_way)
    app.add_html_math_renderer("mathml", (formula, None), (formula, None))
    api.setup(app)
