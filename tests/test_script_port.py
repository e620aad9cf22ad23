"""The tool that says which names of a PyTorch script are missing here."""

from __future__ import annotations

import pytest
from script_port import port

SCRIPT = """
import torch, math
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.utils.data import DataLoader, NoSuchLoader
from torchvision import vanished
import numpy as np

model = nn.Sequential(nn.Linear(2, 3), nn.NoSuchLayer(3))
x = torch.randn(4, 2).no_such_method()
loss = F.relu(model(x)).sum() + torch.no_such_function(np.nowhere) + torch.sparse_coo_tensor(x, x)
optimizer = optim.SGD(model.parameters(), lr=0.1)
torch.nn.init.zeros_(model[0].bias)
"""


def test_missing_names_are_found_with_their_lines() -> None:
    _, missing = port(SCRIPT)
    assert [(line, name) for line, name in missing if not name.startswith("Tensor.")] == [
        (6, "torch.utils.data.NoSuchLoader"),
        (7, "torchvision.vanished"),
        (10, "nn.NoSuchLayer"),
        (12, "torch.no_such_function"),
        (12, "torch.sparse_coo_tensor"),
    ]


ATTRIBUTES = """
import torch, numpy as np
from torch import nn, optim
from torch.utils.data import DataLoader

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.names = ["fc"]
        self.fc = nn.Linear(2, 2, device="cpu")

    def half_way(self):
        return self.compile()

    def sparse_mask(self):
        return self.fc.weight.to_mkldnn().sum() + np.sparse_dim

model = Net()
print(model.names, model.sparse_mask(), model.share_memory())
model(torch.ones(2, 2)).is_quantized
torch.ones(2, 2).shape.numel()
optimizer = optim.Adam(model.parameters(), lr=0.1, no_such_option=1)
optimizer.register_step_pre_hook(print)
torch.softmax(torch.ones(2), dim=0).exp_()
torch.nn.functional.relu(input=torch.ones(2), inplace=False, slope=2)
torch.exp(input=torch.ones(2), out=torch.ones(2), base=10)
"""


def test_attributes_and_keywords() -> None:
    """Of tensors, modules and optimizers, but not what the script defines, nor what other packages have."""
    pytest.importorskip("torch", reason="only PyTorch knows what its objects have")
    _, missing = port(ATTRIBUTES)
    assert [name for _, name in missing] == [
        "Module.compile",
        "Tensor.to_mkldnn",
        "Module.share_memory",
        "Tensor.is_quantized",
        "optim.Adam(no_such_option=)",
        "Optimizer.register_step_pre_hook",
        "torch.nn.functional.relu(slope=)",
        "torch.exp(base=)",
    ]


def test_a_script_that_is_all_there_runs_with_its_imports_swapped() -> None:
    source = """
import torch
import torch.nn.functional as F
from torch import nn as layers
from torch.utils.data import TensorDataset
import torch.optim as optim, math

torch.manual_seed(0)
x = torch.randn(8, 3)
model = layers.Linear(3, 1)
optimizer = optim.SGD(model.parameters(), lr=0.1)
losses = []
for _ in range(5):
    optimizer.zero_grad()
    loss = F.mse_loss(model(x), x.sum(1, keepdim=True))
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
count = len(TensorDataset(x))
"""
    text, missing = port(source)
    assert missing == [] and "import torch" not in text.replace("as torch", "")
    scope: dict[str, object] = {}
    exec(text, scope)  # noqa: S102  the script stands above
    losses = scope["losses"]
    assert isinstance(losses, list) and losses[-1] < losses[0] and scope["count"] == 8
    assert type(scope["loss"]).__module__.startswith("autograd_mini")


def test_methods_that_our_tensors_lack() -> None:
    import autograd_mini as am

    lacking = "cholesky_inverse"  # one that PyTorch's tensors have
    _, missing = port(f"import torch\nx = torch.ones(2, 2)\ny = x.exp().{lacking}()\n")
    try:
        import torch
    except ImportError:
        assert missing == []
        return
    assert hasattr(torch.Tensor, lacking) and not hasattr(am.Tensor, lacking)
    assert missing == [(3, f"Tensor.{lacking}")]


def test_what_dicts_and_named_tuples_have_is_not_missing() -> None:
    """PyTorch's tensors have `values`, too, if they are sparse; no function of nn.functional takes out=."""
    source = "import torch\nimport torch.nn.functional as F\nx = torch.ones(2, 2).max(1).values\nd = {}\nd.values()\n"
    assert port(source)[1] == []
    missing = port(source + "torch.exp(x, out=x)\nF.mse_loss(x, x, out=x)\n")[1]
    assert [name for _, name in missing] == ["F.mse_loss(out=)"]
