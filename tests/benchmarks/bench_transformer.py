"""One step of a transformer block, d 128, 4 heads, T 64, batch 8, causal, GELU, layer norm first, SGD."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
from steps import training_step

UNIT, UNITS = "step", 1
LIBRARIES = ("autograd_mini", "torch")
BATCH, STEPS, WIDTH, HEADS = 8, 64, 128, 4


def stepper(library: ModuleType) -> Callable[[], object]:
    nn, functional = library.nn, library.nn.functional
    rng = np.random.default_rng(0)
    x = library.from_numpy(rng.standard_normal((BATCH, STEPS, WIDTH), np.float32))
    target = library.from_numpy(rng.standard_normal((BATCH, STEPS, WIDTH), np.float32))
    norms = [nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)]
    qkv, out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
    wide, back = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
    model = nn.ModuleList([*norms, qkv, out, wide, back])
    optimizer = library.optim.SGD(model.parameters(), lr=0.01)

    def block(x):  # type: ignore[no-untyped-def]
        heads = qkv(norms[0](x)).view(BATCH, STEPS, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(heads[0], heads[1], heads[2], is_causal=True)
        x = x + out(y.transpose(1, 2).reshape(BATCH, STEPS, WIDTH))
        return x + back(functional.gelu(wide(norms[1](x))))

    return training_step(block, functional.mse_loss, optimizer, x, lambda: target)


def autograd_mini() -> Callable[[], object]:
    import autograd_mini

    return stepper(autograd_mini)


def torch() -> Callable[[], object]:
    import torch

    return stepper(torch)
