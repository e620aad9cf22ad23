"""Draws the models of the gallery with micrograd, Keras and netron:
`PYTHONPATH=tests python docs/pictures/peers_more.py mlp.onnx`.

In an environment of its own: pip install micrograd keras jax pydot graphviz netron, Chromium, and micrograd's notebook
trace_graph.ipynb beside it as a script (jupyter nbconvert --to script). mlp.onnx: the model, saved by `am.onnx.export`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from draw.browser import browser

os.environ["KERAS_BACKEND"] = "jax"
HERE = Path(__file__).parent


def micrograd() -> None:
    from micrograd.engine import Value
    from trace_graph import draw_dot

    a, b = Value(-1.0), Value(3.0)
    c = a + b
    d = (a * b + b**3) * c.relu() + 3
    g = d / 2 - c
    g.backward()
    (HERE / "peer_micrograd.svg").write_bytes(draw_dot(g).pipe("svg"))


def keras() -> None:
    from keras import Sequential, layers, utils

    first, second = layers.Dense(512, activation="relu", name="fc1"), layers.Dense(10, name="fc2")
    model = Sequential([layers.Input((784,)), first, second])
    options = {"show_shapes": True, "show_layer_activations": True, "rankdir": "LR", "dpi": 72}
    utils.plot_model(model, HERE / "peer_keras.png", **options)


def netron(model: str) -> None:
    import netron

    host, port = netron.start(model, browse=False)
    with tempfile.TemporaryDirectory() as folder, browser(Path(folder)) as tab:
        tab.send("Emulation.setDeviceMetricsOverride", width=340, height=480, deviceScaleFactor=1, mobile=False)
        tab.send("Page.navigate", url=f"http://{host}:{port}")
        time.sleep(3)
        tab.run("[...document.querySelectorAll('button')].find(b => b.innerText === 'Accept')?.click()")
        time.sleep(5)
        tab.screenshot(HERE / "peer_netron.png")
        print("netron asked for", {url for url in tab.requests if "localhost" not in url})
    netron.stop()


if __name__ == "__main__":
    micrograd()
    keras()
    netron(sys.argv[1])
