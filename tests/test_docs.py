"""The documentation: it builds without a warning, its code runs, its links lead somewhere, and it keeps step."""

import importlib
import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.primitive import NUMPY, OPERATIONS, PRIMITIVES
from autograd_mini.testing import gradcheck, gradgradcheck

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    return load(DOCS / "make_calculus.py")


def test_the_table_of_the_calculus_is_up_to_date(maker: ModuleType) -> None:
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page(), "run: python docs/make_calculus.py"


def test_every_rule_has_its_formula_in_the_table(maker: ModuleType) -> None:
    page = maker.PAGE.read_text(encoding="utf-8")
    assert "| `mul(x, y)` | `mul` | `a * b` | x | `g * y` | y | |" in page.replace("|  |", "| |")
    assert "| `relu(x)` | `relu` |" in page and "| 0 at 0 |" in page
    assert all(f"| `{primitive.name}(" in page for primitive in maker.ours())
    assert (maker.TORCH.keys() | maker.KINKS.keys()) <= PRIMITIVES.keys()


def test_the_names_in_the_table_are_pytorchs(maker: ModuleType) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    homes = (torch, torch.Tensor, torch.nn.functional, torch.linalg, torch.special)
    named = [primitive.name for primitive in maker.ours() if primitive.name not in maker.TORCH]
    assert [name for name in named if not any(hasattr(home, name) for home in homes)] == []


def test_an_operation_declared_once_appears_everywhere(maker: ModuleType) -> None:
    """One entry makes the function, the method, NumPy's protocol, the proof, the row in the docs and the picture."""
    try:
        am.primitive(np.heaviside, name="step_of_mine", x=lambda g: g * 0.0, y=lambda g, x: g * (x == 0))
        x = am.tensor(np.array([-1.0, 0.0, 2.0]), requires_grad=True)
        y = am.tensor(np.array([0.5, 0.5, 0.5]), requires_grad=True)
        for result in (am.step_of_mine(x, y), x.step_of_mine(y), np.heaviside(x, y)):
            assert result.tolist() == [0.0, 0.5, 1.0]
            assert repr(result.grad_fn) == "<StepOfMineBackward>"
        away = am.tensor(np.array([-1.0, 3.0, 2.0]), requires_grad=True)
        assert gradcheck(am.step_of_mine, (away, y)) and gradgradcheck(am.step_of_mine, (away, y))
        rows = list(maker.primitive_rows(PRIMITIVES["step_of_mine"]))
        assert rows[0] == "| `step_of_mine(x, y)` | `step_of_mine` | `np.heaviside` | x | `g * 0.0` | – |  |"
        assert "step_of_mine" in result.sum().graph().dot
    finally:
        PRIMITIVES.pop("step_of_mine", None)
        OPERATIONS.pop("step_of_mine", None)
        NUMPY.pop(np.heaviside, None)
        if hasattr(am.Tensor, "step_of_mine"):
            del am.Tensor.step_of_mine

# ---------------------------------------------------------------------------------------------------------- the site


PAGES = [*sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("README*.md"))]
RESOURCES = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}


class Page(HTMLParser):
    """What a page fetches, what it links to, and the places in it that can be linked to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in RESOURCES and RESOURCES[tag] in given:
            self.fetched.append(given[RESOURCES[tag]])


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """The pages of the documentation, built with warnings as errors."""
    for needed in ("sphinx", "furo", "myst_parser"):
        pytest.importorskip(needed, reason=f'{needed} is not installed: pip install "autograd_mini[docs]"')
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-j", "auto"]
    command += ["-b", "html", str(DOCS), str(out)]
    built = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    assert built.returncode == 0, built.stderr[-5000:]
    return {file: Page(file) for file in sorted(out.rglob("*.html"))}


def test_the_site_builds_without_a_warning(site: dict[Path, Page]) -> None:
    built = {file.stem for file in site}
    assert {page.stem for page in DOCS.rglob("*.md")} <= built
    assert len(site) > 40


def test_no_page_fetches_anything_from_a_network(site: dict[Path, Page]) -> None:
    outside = [(file.name, url) for file, page in site.items() for url in page.fetched if re.match(r"(\w+:)?//", url)]
    assert outside == []
    styles = [file for page in site for file in page.parent.glob("_static/**/*.css")]
    foreign = re.compile(r"@import|url\(['\"]?(https?:)?//")
    assert styles and not [style for style in styles if foreign.search(style.read_text(encoding="utf-8"))]


def test_formulas_are_mathml(site: dict[Path, Page]) -> None:
    page = next(file for file in site if file.stem == "how_it_works").read_text(encoding="utf-8")
    assert page.count("<math") > 5
    assert "<mfrac>" in page and "\\frac" not in page and "$$" not in page


def test_links_within_the_site_lead_somewhere(site: dict[Path, Page]) -> None:
    broken = []
    for file, page in site.items():
        for link in [*page.links, *page.fetched]:
            path, _, anchor = unquote(link).partition("#")
            if re.match(r"\w+:", link):
                continue
            target = (file.parent / path.partition("?")[0]).resolve() if path else file
            if not target.exists() or (anchor and target in site and anchor not in site[target].anchors):
                broken.append((file.name, link))
    assert broken == []


def test_every_public_name_is_in_the_reference(site: dict[Path, Page], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    api = importlib.import_module("api")
    anchors = set().union(*(page.anchors for file, page in site.items() if file.parent.name == "api"))
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("api/*.md"))
    modules = re.findall(r"```\{public\} (\S+)", text)
    parts = {"autograd_mini", *(f"autograd_mini.{part}" for part in am._PARTS if part != "utils")}
    assert parts - set(modules) == set(), "write a page of docs/api for it: ```{public} autograd_mini.…```"
    names = {f"{module}.{name}" for module in modules for name in api.public_names(module)}
    names |= {f"autograd_mini.{name}" for name in OPERATIONS if hasattr(am, name)}
    again = {f"autograd_mini.autograd.{n}" for n in ("no_grad", "enable_grad", "set_grad_enabled", "inference_mode")}
    assert names - anchors - again == set()
    assert {f"autograd_mini.Tensor.{name}" for name in ("backward", "grad", "detach", "numpy", "graph")} <= anchors


# ------------------------------------------------------------------------------------------------- the pages as text


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page: language and text."""
    return re.findall(r"^```(\S*)[^\n]*\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)


def test_all_code_on_the_pages_is_executed() -> None:
    """pytest executes what begins with `>>>`; a block that does not must be a quotation of the package."""
    package = [s.read_text(encoding="utf-8") for s in (ROOT / "autograd_mini").rglob("*.py")]
    lines = {line.strip() for text in package for line in text.split("\n")}
    for page in PAGES:
        for language, text in blocks(page):
            if language in ("python", "py", "pycon") and not text.startswith(">>> "):
                assert {line.strip() for line in text.split("\n")} <= lines | {""}, f"{page.name}: {text}"
            if text.startswith(">>> "):
                assert language == "python" and text.endswith("\n\n"), f"{page.name}: end with a blank line: {text}"
        bare = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        assert not re.search(r"^ *>>> ", bare, re.M), f"{page.name}: an example outside of a fence reads as a quotation"


def test_each_page_of_the_tutorial_belongs_to_a_demo() -> None:
    pages = sorted((DOCS / "tutorial").glob("[01]*.md"))
    assert len(pages) == 14
    for page in pages:
        assert f"](../../demos/{page.stem}.py)" in page.read_text(encoding="utf-8")
        assert (ROOT / "demos" / f"{page.stem}.py").exists()


def test_each_page_of_the_tutorial_shows_what_its_demo_draws() -> None:
    stories = load(DOCS / "pictures" / "stories.py")
    shown = stories.shown()
    for page in sorted((DOCS / "tutorial").glob("[01]*.md")):
        assert "](../pictures/" in page.read_text(encoding="utf-8"), f"{page.name} has no picture"
        for here, name in shown.get(page.stem[:2], {}).items():
            assert f'"{name}"' in (ROOT / "demos" / f"{page.stem}.py").read_text(encoding="utf-8"), here
    files = {file.name: file.stat().st_size for file in stories.FOLDER.iterdir()}
    assert files.keys() == {here for names in shown.values() for here in names}, "run: python docs/pictures/stories.py"
    assert len(files) > 20 and max(files.values()) < 60_000 and sum(files.values()) < 800_000


def test_pictures_of_the_tutorial_are_those_of_the_demos_as_they_are() -> None:
    stories = load(DOCS / "pictures" / "stories.py")
    for number, names in stories.shown().items():
        stamp = b"tEXtstamp\0" + stories.stamp(number).encode()
        old = [here for here in names if stamp not in (stories.FOLDER / here).read_bytes()]
        assert old == [], f"its demo has changed since: run python docs/pictures/stories.py {number}"


def test_the_stamp_of_a_picture_is_that_of_the_code_that_draws() -> None:
    code = load(DOCS / "pictures" / "stories.py").code
    plain = "def f(x):\n    return x + 1"
    told = '"""About."""\n\n# why\ndef f(x):\n    """What."""\n    print("x",\n          x)\n    return x + 1'
    assert code(told) == plain
    assert code(plain.replace("1", "2")) != plain and code("draw(x)") == "draw(x)"


def test_pictures_of_the_tutorial_are_drawn_by_the_demos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them, from its demo in full: what is missing is drawn, as it is in the project, and nothing else."""
    pytest.importorskip("matplotlib", reason="the demos' pictures need matplotlib")
    from PIL import Image

    stories = load(DOCS / "pictures" / "stories.py")
    name, before = "04_activations.png", stories.FOLDER
    for file in before.iterdir():
        if file.name != name:
            (tmp_path / file.name).write_text("there already")
    monkeypatch.setattr(stories, "FOLDER", tmp_path)
    stories.draw_missing()
    assert [file.name for file in tmp_path.iterdir() if file.read_bytes()[:4] == b"\x89PNG"] == [name]
    with Image.open(tmp_path / name) as drawn, Image.open(before / name) as kept:
        assert drawn.size == kept.size and drawn.text == kept.text != {}
        apart = np.asarray(drawn.convert("L"), int) - np.asarray(kept.convert("L"), int)
    assert np.abs(apart).mean() < 5  # of 255: another matplotlib may draw letters a little differently


def test_files_that_the_pages_name_are_there() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for path in re.findall(r"\b(?:demos|tests|autograd_mini)/[\w/]+\.py\b", text):
            assert (ROOT / path).exists(), f"{page.name} names {path}"
        if page.parent == ROOT:
            for link in re.findall(r"\]\((?!\w+:)([^)#]+)", text):
                assert (ROOT / link).exists(), f"{page.name} links to {link}"


def test_the_korean_readme_keeps_step() -> None:
    """The same sections, code, pictures, links and figures as the English one."""
    english, korean = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ko.md"))

    def skeleton(text: str) -> dict[str, list[str]]:
        code = "\n".join(re.findall(r"^(?:>>> |\.\.\. |    ).*$", text, re.M))
        return {
            "headings": re.findall(r"^#+", text, re.M),
            "code": [re.sub(r"\s*#.*", "", line) for line in code.split("\n")],
            "targets": sorted(re.findall(r"\]\((?!README)([^)]+)\)", text)),
            "figures": sorted(re.findall(r"\d+\.\d+", text)),
        }

    assert re.search("[가-힣]{2}", korean)
    ours, theirs = skeleton(english), skeleton(korean)
    for part in ours:
        assert ours[part] == theirs[part], part


def test_what_a_pytorch_user_types_first() -> None:
    """Found by writing a student's scripts for PyTorch: where they look for things, and what they are told."""
    x = am.tensor([0.5, 1.0], dtype=am.float64, requires_grad=True)
    assert am.autograd.gradcheck(am.sin, x) and am.autograd.gradgradcheck(am.sin, x)
    layer = am.nn.Linear(2, 1)
    assert repr(layer.load_state_dict(layer.state_dict())) == "<All keys matched successfully>"
    some = layer.load_state_dict({"weight": layer.weight}, strict=False)
    assert repr(some) == "IncompatibleKeys(missing_keys=['bias'], unexpected_keys=[])" and some.missing_keys == ["bias"]
