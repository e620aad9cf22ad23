"""The HTML page: safe, small, self-contained; and, where Chromium is installed, every control tried in it."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from draw.browser import CHROMIUM, Browser, browser
from draw.samples import fan_out, layer, needs_dot, opened
from draw.test_dot import HOSTILE
from draw.test_units import net

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.draw import draw_graph

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def page(make=layer, **options) -> str:
    output, names = make()
    output.backward()
    return draw_graph(output, names=names, **{"backend": "builtin", **options}).html()


def test_it_is_small_and_asks_for_nothing() -> None:
    text = page()
    assert len(text.encode()) < 100_000 and "default-src 'none'" in text
    assert not re.search(r'(src|href)="|@import|url\(', text)
    hashes = re.findall(r"'sha256-([^']+)'", text)
    blocks = re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", text, re.DOTALL)
    made = {base64.b64encode(hashlib.sha256(b.encode()).digest()).decode() for b in blocks}
    assert len(hashes) == 2 and set(hashes) == made and " style=" not in text


def test_a_page_of_many_modules_is_small() -> None:
    """Each box and each text is there once; what is folded is not a picture of its own."""
    loss, model, names = net(24)
    graph = draw_graph(loss, model, names, style="module", backend="builtin")
    text = graph.html()
    assert len(text.encode()) < 1500 * len(graph.model.ops) and text.count("<svg") == 1
    assert text.count("relu passes g where out &gt; 0, else 0") + text.count("relu passes g where out > 0, else 0") == 1


def test_hostile_names_are_text() -> None:
    output, names = fan_out()
    output.backward()
    evil = "</script><script>alert(1)</script>"
    text = draw_graph(output, names={evil: names["a"]}, title=evil, backend="builtin").html()
    assert "<script>alert" not in text and text.count("<script") == 2


def test_without_gradients_it_is_one_picture() -> None:
    output, names = layer()
    text = draw_graph(output, names=names, backend="builtin").html()
    assert "s0_" not in text and '"captions":[]' in text


# -------------------------------------------------------------------------------------------- in the browser


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture
def visit(tab: Browser, tmp_path: Path) -> Iterator:
    """Opens a page; at the end nothing has been asked for but the page itself, and nobody complained."""
    path = tmp_path / "page.html"
    tab.complaints.clear()
    tab.requests.clear()

    def go(text: str) -> Browser:
        path.write_text(text)
        tab.open(path)
        return tab

    yield go
    assert tab.complaints == [] and tab.requests == [path.as_uri()]


def words(tab: Browser) -> str:
    return tab.run("document.getElementById('caption').textContent")


def box(tab: Browser) -> list[float]:
    return [float(x) for x in tab.run("now.svg.getAttribute('viewBox')").split()]


def panel(tab: Browser) -> str:
    """The text of the panel; empty if it is not to be seen."""
    return tab.run("document.getElementById('panel').hidden ? '' : document.getElementById('panel').innerText")


def on(tab: Browser) -> set[str]:
    return set(tab.run("[...now.svg.querySelectorAll('.on')].map(idOf)"))


BACKENDS = [pytest.param("dot", marks=needs_dot), "builtin"]


@needs_chromium
@pytest.mark.parametrize("backend", BACKENDS)
def test_steps_by_key_and_button(visit, backend: str) -> None:
    tab = visit(page(backend=backend))
    lit = "now.moving.filter(p => p[0].style.visibility === 'visible').length"
    assert words(tab).startswith("step 5 of 5: @ passes")
    assert tab.run("document.getElementById('next').disabled") is True
    tab.press("ArrowLeft")
    fourth = words(tab)
    assert fourth.startswith("step 4 of 5")
    tab.click("#back")
    tab.click("#next")
    assert words(tab) == fourth
    for _ in range(9):
        tab.press("ArrowLeft")
    assert words(tab).startswith("step 0 of 5: start") and tab.run(lit) > 5
    assert tab.run("document.getElementById('back').disabled") is True
    tab.press("ArrowRight")
    assert words(tab).startswith("step 1 of 5: mean")
    seen = "e => getComputedStyle(e).visibility !== 'hidden'"
    orange = f"[...now.svg.querySelectorAll('[fill=\"#A83C00\" i]')].filter({seen}).length"
    before = tab.run(orange)
    tab.press("ArrowRight")
    assert tab.run(orange) > before  # one gradient more is to be seen


@needs_chromium
def test_zoom_pan_and_fit(visit) -> None:
    tab = visit(page())
    home = box(tab)
    for key, button, wider in (("+", "#closer", False), ("-", "#farther", True)):
        tab.press(key)
        once = box(tab)
        assert (once[2] > home[2]) == wider and once[2] != home[2]
        tab.click(button)
        assert (box(tab)[2] > once[2]) == wider
        tab.press("0")
        assert box(tab) == home
    tab.mouse("mouseWheel", 600, 400, deltaX=0, deltaY=-100)
    assert box(tab)[2] < home[2]
    tab.click("#fit")
    assert box(tab) == home
    for key, axis, sign in (("ArrowRight", 0, 1), ("ArrowLeft", 0, -1), ("ArrowDown", 1, 1), ("ArrowUp", 1, -1)):
        before = box(tab)
        tab.press(key, shift=True)
        assert (box(tab)[axis] - before[axis]) * sign > 0 and box(tab)[1 - axis] == before[1 - axis]
    tab.press("0")
    tab.mouse("mousePressed", 600, 600, button="left", clickCount=1)
    tab.mouse("mouseMoved", 500, 570, button="left", buttons=1)
    tab.mouse("mouseReleased", 500, 570, button="left", clickCount=1)
    after = box(tab)
    scale = tab.run("1 / now.svg.getScreenCTM().a")
    moved = [after[k] - home[k] for k in (0, 1)]
    assert moved == pytest.approx([100 * scale, 30 * scale], rel=0.01)
    assert after[2:] == home[2:] and panel(tab) == "" and tab.run("getSelection().toString()") == ""
    tab.mouse("mouseMoved", 300, 300)
    assert box(tab) == after  # let go is let go


@needs_chromium
@pytest.mark.parametrize("backend", BACKENDS)
def test_click_shows_details_and_hovering_the_path_to_the_loss(visit, backend: str) -> None:
    tab = visit(page(backend=backend))
    nodes = tab.run("Object.fromEntries(Object.keys(now.details).map(id => [factsOf(now, id)[0][1], id]))")
    mark = "for (const [id, gs] of Object.entries(now.parts)) for (const g of gs) g.dataset.test = id"
    tab.run(mark)

    def at(name: str) -> str:
        return f'.level:not([hidden]) [data-test="{nodes[name]}"] text'

    tab.click(at("W"))
    said = panel(tab)
    assert said.splitlines()[1:3] == ["W", "is"] and "(3, 2) float32" in said and "[[0.5, −0.25]" in said
    assert "gradient" in said and "used by" in said and "matmul(x, W), which passes back" in said
    path = on(tab)
    assert {nodes["W"], nodes["loss"], nodes["relu"]} < path and nodes["x"] not in path and nodes["b"] not in path
    dim = f"getComputedStyle(now.parts['{nodes['x']}'].find(g => getComputedStyle(g).visibility !== 'hidden')).opacity"
    assert float(tab.run(dim)) < 0.5
    tab.mouse("mouseMoved", 640, 20)
    assert on(tab) == set() and float(tab.run(dim)) == 1
    tab.click(at("relu"))
    assert "relu passes g where out > 0, else 0" in panel(tab)
    tab.press("Escape")
    assert panel(tab) == ""
    tab.click(at("x"))
    assert "no grad: does not require grad" in panel(tab)
    tab.click("#close")
    assert panel(tab) == ""


@needs_chromium
@pytest.mark.parametrize("backend", BACKENDS)
def test_keyboard_and_screen_reader(visit, backend: str) -> None:
    tab = visit(page(backend=backend))
    tree = tab.send("Accessibility.getFullAXTree")["nodes"]
    named = {(n["role"]["value"], n["name"]["value"]) for n in tree if not n["ignored"] and "name" in n}
    roles = {role for role, _ in named}
    assert any(role == "button" and name.startswith("W, is parameter, shape (3, 2)") for role, name in named)
    assert ("button", "zoom in (+)") in named and ("searchbox", "search in the picture") in named
    assert "complementary" not in roles  # the panel is closed
    assert all(name for role, name in named if role in ("button", "searchbox"))
    tab.click("#fit")
    order = []
    for _ in range(40):
        tab.press("Tab")
        order.append(tab.run("document.activeElement.getAttribute('aria-label') || document.activeElement.tagName"))
    focused = [name for name in order if name.startswith(("x, ", "W, ", "loss, "))]
    assert len(set(focused)) == 3
    tab.run("now.parts[Object.keys(now.details).find(id => factsOf(now, id)[0][1] === 'b')]"
            ".find(g => getComputedStyle(g).visibility !== 'hidden').focus()")  # fmt: skip
    assert len(on(tab)) > 3  # the path is shown to those without a mouse, too
    tab.press("Enter")
    assert "summed over axis 0" in panel(tab)
    tab.press("Escape")
    assert panel(tab) == "" and tab.run("document.activeElement.getAttribute('aria-label')").startswith("b, ")
    tab.press("Enter")
    tab.run("document.getElementById('close').focus()")
    tab.press("Enter")  # the focus returns to where it was
    assert panel(tab) == "" and tab.run("document.activeElement.getAttribute('aria-label')").startswith("b, ")
    tab.click("summary")
    rows = tab.run("[...document.querySelectorAll('tbody tr')].map(r => r.innerText)")
    assert len(rows) == 9 and rows[0].startswith("W (parameter)") and rows[-1].startswith("loss = mean(")
    assert tab.run("document.querySelector('tr').offsetHeight") > 0
    small = "b => b.offsetWidth && Math.min(b.offsetHeight, b.offsetWidth) < 36"
    assert tab.run(f"[...document.querySelectorAll('button,input')].filter({small}).length") == 0
    assert tab.run("document.getElementById('caption').ariaLive") == "polite"


@needs_chromium
def test_search_and_theme(visit, tmp_path: Path) -> None:
    tab = visit(page())
    blue = "getComputedStyle(now.svg.querySelector('[fill=\"#00568F\" i]')).fill"
    colors = f"[getComputedStyle(document.body).backgroundColor, {blue}]"
    light, dark = ["rgb(255, 255, 255)", "rgb(0, 86, 143)"], ["rgb(13, 17, 23)", "rgb(121, 192, 255)"]
    assert tab.run(colors) == light
    tab.press("d")
    assert tab.run(colors) == dark
    tab.click("#theme")
    assert tab.run(colors) == light
    tab.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    tab.open(tmp_path / "page.html")
    assert tab.run(colors) == dark  # as the system asks
    tab.press("d")
    assert tab.run(colors) == light
    tab.send("Emulation.setEmulatedMedia", features=[])
    tab.requests.pop()
    tab.press("/")
    assert tab.run("document.activeElement.id") == "search"
    for key in "RELU":
        tab.press(key)
    count = tab.run("document.querySelectorAll('.hit').length")
    assert count >= 2 and words(tab) == f"{count} found"
    home = box(tab)
    tab.press("Enter")
    first = box(tab)
    assert first != home and words(tab).startswith(f"1 of {count}: ") and "relu" in words(tab)
    tab.press("Enter")
    assert words(tab).startswith(f"2 of {count}: ")
    tab.press("Escape")
    assert tab.run("document.querySelectorAll('.hit').length") == 0
    assert tab.run("document.activeElement.id") == "" and tab.run("search.value") == ""


def seen(tab: Browser) -> set[str]:
    """The headlines of all modules that are to be seen, folded ⊞ or open ⊟; operations by their names."""
    return set(tab.run("[...now.svg.querySelectorAll('.node')].map(g => g.querySelector('tspan').textContent)"))


def click_on(tab: Browser, headline: str) -> None:
    find = f"[...now.svg.querySelectorAll('.node')].find(g => g.querySelector('tspan').textContent === '{headline}')"
    tab.press("0")
    tab.run(f"document.querySelector('[data-test]')?.removeAttribute('data-test'), {find}.dataset.test = 1, 0")
    tab.click("[data-test] text")


@needs_chromium
def test_a_click_folds_and_unfolds_one_module(visit) -> None:
    loss, model, names = net(2)
    tab = visit(draw_graph(loss, model, names, style="module", fold=False).html())
    closed = {"⊞ blocks", "⊞ head", "cross_entropy", "mean", "x", "t", "loss"}
    opened = closed - {"⊞ blocks"} | {"⊟ blocks", "⊞ blocks.0", "⊞ blocks.1"}
    assert seen(tab) == opened
    click_on(tab, "⊟ blocks")
    assert seen(tab) == closed
    click_on(tab, "⊞ blocks")
    assert seen(tab) == opened
    click_on(tab, "⊞ blocks.1")
    inside = opened - {"⊞ blocks.1"} | {"⊟ blocks.1", "⊞ blocks.1.fc1", "⊞ blocks.1.fc2", "relu", "+"}
    assert seen(tab) == inside and "⊞ blocks.0" in seen(tab)
    click_on(tab, "⊞ blocks.1.fc2")
    assert seen(tab) == inside - {"⊞ blocks.1.fc2"} | {"⊟ blocks.1.fc2", "linear"}
    click_on(tab, "⊟ blocks.1")
    assert seen(tab) == opened
    click_on(tab, "⊞ blocks.1")
    assert "⊟ blocks.1.fc2" in seen(tab)  # what was open in it is open again
    click_on(tab, "⊟ blocks")
    assert seen(tab) == closed and words(tab) == "7 boxes"


@needs_chromium
def test_a_module_that_is_clicked_stays_where_it_is(visit) -> None:
    loss, model, names = net(2)
    tab = visit(draw_graph(loss, model, names, style="module", fold=False).html())
    edge = "(b => [b.x, b.y])(document.querySelector('[data-id=\"{}\"] rect').getBoundingClientRect())"
    tab.press("0")
    before = tab.run(edge.format("m7"))
    click_on(tab, "⊞ head")
    after = tab.run(edge.format("m7"))
    assert "⊟ head" in seen(tab) and after == pytest.approx(before, abs=3)


@needs_chromium
def test_a_repeat_unfolds_into_its_copies_and_folds_again(visit) -> None:
    loss, model, names = net(4)
    tab = visit(draw_graph(loss, model, names, style="module").html())
    assert {"⊞ × 4\u00a0 blocks[0 … 3]", "⊞ fc1", "⊞ fc2"} < seen(tab)
    said = tab.run("now.svg.textContent")
    assert "19 operations" in said and "shown as" not in said and "a click unfolds ⊞" in said and "expand=" not in said
    click_on(tab, "⊞ fc1")
    assert {"⊟ fc1", "⊞ fc2"} < seen(tab)
    click_on(tab, "⊞ × 4\u00a0 blocks[0 … 3]")
    assert {"⊟ × 4\u00a0 blocks[0 … 3]", "⊞ blocks.1", "⊞ blocks.2", "⊞ blocks.3"} < seen(tab)
    click_on(tab, "⊞ blocks.2")
    assert {"⊟ blocks.2", "⊞ blocks.2.fc1", "⊞ blocks.3"} < seen(tab)
    click_on(tab, "⊟ × 4\u00a0 blocks[0 … 3]")
    assert {"⊞ × 4\u00a0 blocks[0 … 3]", "⊟ fc1", "⊞ fc2"} < seen(tab)


class Twice(nn.Module):
    """Uses its weight twice."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(am.ones(4, 4))

    def forward(self, x: am.Tensor) -> am.Tensor:
        return (x @ self.w).tanh() + (x * 2) @ self.w


@needs_chromium
def test_a_parameter_that_is_used_twice_is_in_the_card_of_its_module_or_beside_what_uses_it(visit) -> None:
    model, x = nn.Sequential(Twice(), Twice(), Twice()), am.ones(2, 4, requires_grad=True)
    loss = model(x).sum()
    loss.backward()
    tab = visit(draw_graph(loss, model, {"x": x, "loss": loss}, style="module").html())
    weights = {"0.w", "1.w", "2.w"}
    assert seen(tab) & weights == {"0.w"}  # of the first copy, for all
    click_on(tab, "⊞ × 3\u00a0 [0 … 2]")
    assert {"⊞ 0", "⊞ 1", "⊞ 2"} < seen(tab) and not seen(tab) & weights
    click_on(tab, "⊞ 1")
    assert "⊟ 1" in seen(tab) and seen(tab) & weights == {"1.w"}


@needs_chromium
def test_fold_and_unfold_all_by_key_and_button(visit) -> None:
    loss, model, names = net(4)
    tab = visit(draw_graph(loss, model, names, style="module").html())
    disabled = "['fold', 'unfold'].map(id => document.getElementById(id).disabled)"
    assert tab.run(disabled) == [True, False]
    start = seen(tab)
    tab.press("u")
    assert {"⊟ fc1", "⊟ fc2", "⊟ head", "linear"} < seen(tab) and tab.run(disabled) == [False, False]
    tab.press("f")
    assert seen(tab) == start
    while not tab.run(disabled)[1]:
        tab.click("#unfold")
    assert words(tab).startswith("step ")  # every tensor is shown: here are steps
    tab.press("ArrowLeft")
    tab.press("f")
    assert tab.run("document.getElementById('next').hidden") is True
    assert not any(name.startswith("⊞") for name in seen(tab))  # as it was left
    while not tab.run(disabled)[0]:
        tab.click("#fold")
    assert seen(tab) == start


@needs_chromium
def test_modules_by_keyboard_and_their_details(visit) -> None:
    loss, model, names = net(2)
    tab = visit(draw_graph(loss, model, names, style="module", fold=False).html())
    tab.run("now.parts.m7[0].focus()")
    tab.press("Enter")
    expanded = "document.activeElement.getAttribute('aria-expanded')"
    assert "⊟ head" in seen(tab) and tab.run(expanded) == "true" and panel(tab) == ""
    tab.press("Enter")
    assert "⊞ head" in seen(tab) and tab.run(expanded) == "false"
    tab.press("Enter", shift=True)
    assert "⊞ head" in seen(tab) and "linear(" in panel(tab)
    tab.press("Enter")
    tab.press("Escape")
    tab.press("0")
    tab.click("[data-id='u8'] text")
    assert "computes" in panel(tab) and "in head" in panel(tab) and "passes g @ weight" in panel(tab)


class Heads(nn.Module):
    """Four layers side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList([nn.Linear(4, 4 + i) for i in range(4)])

    def forward(self, x: am.Tensor) -> am.Tensor:
        return am.cat([head(x) for head in self.heads], 1)


def side_by_side():
    model, x = nn.Sequential(nn.Linear(4, 4), Heads(), nn.Linear(22, 2)), am.ones(3, 4)
    loss = model(x).sum()
    loss.backward()
    return loss, model, {"x": x, "loss": loss}


@needs_chromium
@pytest.mark.parametrize("make", [lambda: net(3), side_by_side])
def test_every_wire_ends_where_its_boxes_are(visit, make) -> None:
    """In any state: the script's layout leaves no two boxes on top of each other, and no wire without a box."""
    loss, model, names = make()
    tab = visit(draw_graph(loss, model, names, style="module").html())
    for _ in range(5):
        rects = tab.run("[...now.svg.querySelectorAll('.node')].filter(g => !g.closest('.cluster'))"
                        ".map(g => (b => [b.x, b.y, b.right, b.bottom])(g.getBoundingClientRect()))")  # fmt: skip
        assert len(rects) >= 4
        for a, b in itertools.combinations(rects, 2):
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        known = tab.run("[...now.svg.querySelectorAll('.node')].map(idOf)")
        wires = tab.run("[...now.svg.querySelectorAll('.edge')].map(idOf)")
        assert wires and {end for wire in wires for end in wire.split("->")} <= set(known)
        loose = set(known) - {end for wire in wires for end in wire.split("->")}
        assert all(name[0] in "mx" for name in loose)  # the headlines of open modules
        tab.press("u")


@needs_chromium
def test_where_nothing_is_folded_there_is_nothing_to_unfold(visit) -> None:
    tab = visit(page(fan_out))
    hidden = "['fold', 'unfold'].map(id => document.getElementById(id).offsetWidth)"
    assert tab.run(hidden) == [0, 0]
    tab.press("u")
    tab.press("f")
    assert tab.run("pictures.length") == 1 and words(tab).startswith("step 2 of 2")
    tab = visit(opened().html())
    tab.requests.pop(0)
    assert min(tab.run(hidden)) > 36


@needs_chromium
@pytest.mark.parametrize("backend", BACKENDS)
def test_hostile_names_are_shown_and_do_nothing(visit, backend: str) -> None:
    tensors = [am.tensor(float(i), requires_grad=True) for i in range(len(HOSTILE))]
    total = am.stack(tensors).sum()
    total.backward()
    names = dict(zip(HOSTILE, tensors, strict=True))
    graph = draw_graph(total, names=names, title="</title><script>alert(1)</script>", backend=backend)
    tab = visit(graph.html())
    assert tab.run("document.querySelectorAll('script').length") == 2
    assert tab.run("document.querySelectorAll('#stage script, #stage b:not(text *), footer b').length") == 0
    assert tab.run("document.title") == "</title><script>alert(1)</script>"
    shown = tab.run("document.getElementById('stage').textContent").replace("\u00a0", " ")
    assert "<script>alert(1)</script>" in shown and "重み" in shown and '"]; evil' in shown
    marked = tab.run("Object.keys(now.details).length")
    for k in range(0, marked, 3):
        tab.run(f"open(Object.keys(now.details)[{k}])")
        assert panel(tab)


@needs_chromium
def test_hostile_names_in_a_page_that_folds(visit) -> None:
    loss, model, names = net(2)
    evil = "</script><script>alert(1)</script>\ud800\x00"
    graph = draw_graph(loss, model, {evil: names["x"]}, style="module", title=evil)
    tab = visit(graph.html())
    assert tab.run("document.querySelectorAll('script').length") == 2
    shown = "</script><script>alert(1)</script>\ufffd\ufffd"
    assert shown in seen(tab) and shown in tab.run("now.svg.textContent")


@pytest.fixture
def phone(tab: Browser) -> Iterator[None]:
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    tab.send("Emulation.setDeviceMetricsOverride", **size)
    tab.send("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    yield
    tab.send("Emulation.clearDeviceMetricsOverride")
    tab.send("Emulation.setTouchEmulationEnabled", enabled=False)


@needs_chromium
def test_on_a_phone_it_opens_where_one_can_read(visit, phone: None) -> None:
    for text in (page(), page(layer, backend="builtin")):
        tab = visit(text)
        high = "[...now.svg.querySelectorAll('text')].map(t => t.getBoundingClientRect().height)"
        assert min(tab.run(high)) > 9  # pixels
        assert tab.run("(t => [t.x, t.y])(now.svg.getBoundingClientRect())")[0] == 0 and box(tab)[:2] == [0, 0]
        assert tab.run("document.documentElement.scrollWidth") == 390
        tab.requests.clear()
        tab.requests.append(tab.run("location.href"))
    said = tab.run("[...document.querySelectorAll('header button')].filter(b => b.offsetWidth).map(b => b.textContent)")
    assert all(any(char.isalpha() for char in text) for text in said) and len(said) == 6
    tab.click("[data-id='n0'] text")
    left, right = tab.run("(b => [b.x, b.right])(document.getElementById('panel').getBoundingClientRect())")
    assert panel(tab) and left == 0 and right == 390


@needs_chromium
def test_two_fingers_zoom_and_what_is_between_them_stays(visit, phone: None) -> None:
    tab = visit(page())

    def touch(kind: str, *points: tuple[int, int]) -> None:
        fingers = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        tab.send("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)

    before, middle = box(tab), tab.run("point(200, 400)")
    touch("touchStart", (150, 400), (250, 400))
    touch("touchMove", (100, 400), (300, 400))
    touch("touchEnd")
    after = box(tab)
    assert after[2] == pytest.approx(before[2] / 2, rel=0.01)
    assert tab.run("point(200, 400)") == pytest.approx(middle, abs=1)
    assert panel(tab) == ""
