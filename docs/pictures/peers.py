"""Draws the models of the gallery with other tools: `python docs/pictures/peers.py`. Needs torchviz and torchview."""

from __future__ import annotations

import io
from pathlib import Path

import torch
import torchview
import torchviz
from PIL import Image
from torch import nn

HERE = Path(__file__).parent


def layer() -> torch.Tensor:
    x = torch.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 1.0]])
    W = torch.tensor([[0.5, -0.3], [0.1, 0.8], [-0.4, 0.2]], requires_grad=True)
    b = torch.tensor([0.1, -0.2], requires_grad=True)
    return nn.functional.cross_entropy((x @ W + b).relu(), torch.tensor([1, 0]))


def fifty_layers() -> torch.Tensor:
    h = torch.randn(2, 8, requires_grad=True)
    for _ in range(50):
        W, b = torch.randn(8, 8, requires_grad=True), torch.randn(8, requires_grad=True)
        h = (h @ W + b).tanh() * 0.9 + h * 0.1
    return h.sum()


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(784, 512), nn.Linear(512, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.fc1(x).relu())


if __name__ == "__main__":
    (HERE / "peer_torchviz.svg").write_bytes(torchviz.make_dot(layer()).pipe("svg"))
    drawn = torchview.draw_graph(MLP(), input_size=(32, 784), graph_dir="LR").visual_graph
    (HERE / "peer_torchview.svg").write_bytes(drawn.pipe("svg"))
    Image.MAX_IMAGE_PIXELS = None
    ribbon = Image.open(io.BytesIO(torchviz.make_dot(fifty_layers()).pipe("png")))
    print("torchviz, fifty layers:", ribbon.size)
    ribbon = ribbon.convert("L").rotate(90, expand=True)
    ribbon.resize((1000, round(1000 * ribbon.height / ribbon.width))).quantize(8).save(HERE / "peer_torchviz_fifty.png")
