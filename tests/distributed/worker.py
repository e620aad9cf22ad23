"""What each process of `test_distributed.py` runs under `mpiexec -n N python -m mpi4py`, and what it writes down."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import autograd_mini as am
from autograd_mini import distributed, nn, optim
from autograd_mini.nn import functional
from autograd_mini.serialization import load, save
from autograd_mini.training import Checkpoint, Trainer, accuracy
from autograd_mini.utils.data import (
    DataLoader,
    DistributedBatchSampler,
    DistributedSampler,
    RandomSampler,
    TensorDataset,
)

Found = dict[str, Any]
caps: list[float | None] = [None]  # the last one holds


def parallel(module: nn.Module, **options: Any) -> distributed.DistributedDataParallel:
    """A replica: of one message in the first run, and in the second of several, which start during backward."""
    return distributed.DistributedDataParallel(module, bucket_cap_mb=caps[-1], **options)


def data(n: int, dtype: str = "float64") -> tuple[am.Tensor, am.Tensor]:
    draw = np.random.default_rng(n)
    return am.tensor(draw.normal(size=(n, 6)).astype(dtype)), am.tensor(draw.integers(0, 3, n))


def network(seed: int = 0, dtype: str = "float64") -> nn.Sequential:
    am.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).to(dtype)


def flat(tensors: Any) -> Any:
    return np.concatenate([np.ravel(np.asarray(t.detach().numpy())) for t in tensors])


def gradients(model: nn.Module) -> Any:
    return flat([p.grad for p in model.parameters()])


def share(x: am.Tensor, rank: int, size: int) -> am.Tensor:
    return x[rank::size]


class Counting:
    """A communicator that counts."""

    def __init__(self, comm: Any) -> None:
        self.comm, self.calls = comm, []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self.comm, name)


class Scaled(nn.Module):
    """Its outputs and a factor for the loss, whose gradient is the loss: NaN where there is no example."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.factor = network(), nn.Parameter(am.tensor(2.0).double())

    def forward(self, x: am.Tensor) -> tuple[am.Tensor, am.Tensor]:
        return self.net(x), self.factor


def sums(rank: int, size: int, folder: Path) -> Found:
    """The gradient of batches of many sizes, some shares of which are empty, by both kinds of loss."""
    found: Found = {}
    for dtype in ("float64", "float32"):
        for n in (1, 2, 7, 30):
            x, y = (share(t, rank, size) for t in data(n, dtype))
            for reduction in ("mean", "sum"):
                replica = parallel(network(rank, dtype), loss_reduction=reduction)
                functional.cross_entropy(replica(x), y, reduction=reduction).backward()
                found[f"{dtype} {n} {reduction}"] = gradients(replica)
    replica = parallel(network(rank), dim=1)  # examples along the second axis
    x, y = data(7)
    replica(share(x, rank, size).reshape(1, -1, 6)).mean().backward()
    found["dim 1"] = gradients(replica)
    replica = parallel(Scaled())
    x, y = (share(t, rank, size) for t in data(2))
    for _ in range(3):
        outputs, factor = replica(x)
    found["hooks"] = len(factor._node.extra.hooks)
    (functional.cross_entropy(outputs, y) * factor).backward()
    found["factor"] = gradients(replica)
    return found


def structure(rank: int, size: int, folder: Path) -> Found:
    """Names, views of one buffer in the memory order of the parameters, and one message a step."""
    model = network(rank)
    with am.no_grad():
        model[0].weight.data = model[0].weight.data.T.clone().T  # another memory order
    replica = parallel(model)
    x, y = (share(t, rank, size) for t in data(7))
    comm = None
    if size > 1:
        comm = replica._comm = Counting(replica._comm)
    for _ in range(2):
        replica.zero_grad()
        functional.cross_entropy(replica(x), y).backward()
    grads = [p.grad._array for p in model.parameters()]
    return {
        "keys": list(replica.state_dict()),
        "is the module": replica.module is model,
        "messages": [] if comm is None else comm.calls,
        "owners": len({id(_owner(g)) for g in grads}),
        "same order": [g.strides == p._array.strides for g, p in zip(grads, model.parameters(), strict=True)],
    }


class Deep(nn.Module):
    """One layer is used twice."""

    def __init__(self) -> None:
        super().__init__()
        am.manual_seed(0)
        self.first, self.twice, self.last = (nn.Linear(6, n) for n in (6, 6, 3))
        self.double()

    def forward(self, x: am.Tensor) -> am.Tensor:
        x = self.first(x).tanh()
        for _ in range(2):
            x = self.twice(x).tanh()
        return self.last(x)


def _raise(gradient: am.Tensor) -> None:
    raise ZeroDivisionError


def _penalty(net: nn.Module) -> am.Tensor:
    return sum((p**2).sum() for p in net.parameters())


def used_twice(net: Any, x: am.Tensor) -> None:
    net(x).sin().mean().backward()


def penalty_before(net: Any, x: am.Tensor) -> None:
    penalty = _penalty(net)
    (net(x).sin().mean() + penalty).backward()


def penalty_after(net: Any, x: am.Tensor) -> None:
    out = net(x)
    (_penalty(net) + out.sin().mean()).backward()


def second_backward(net: Any, x: am.Tensor) -> None:
    loss = net(x).sin().mean()
    loss.backward(retain_graph=True)
    loss.backward()


def second_backward_alone(net: Any, x: am.Tensor) -> None:
    loss = net(x).sin().mean()
    loss.backward(retain_graph=True)
    net.zero_grad()
    (loss * 3).backward()


def two_forwards(net: Any, x: am.Tensor) -> None:
    (net(x).sin().mean() + net(x * 2).cos().mean()).backward()


def two_steps(net: Any, x: am.Tensor) -> None:
    for part in (x[:5], x):
        net.zero_grad(set_to_none=False)
        net(part).sin().mean().backward()


def hooks(net: Any, x: am.Tensor) -> None:
    for p in net.parameters():
        p.register_hook(lambda gradient: gradient * 3)
    net(x).sin().mean().backward()


def hook_that_raises(net: Any, x: am.Tensor) -> None:
    """On the last gradient to come, or another; the next batch is another one."""
    rank = distributed.get_rank() if distributed.is_initialized() else 0
    handle = list(net.parameters())[0 if rank == 0 else 3].register_hook(_raise)
    with contextlib.suppress(ZeroDivisionError):
        net(x[:2]).mean().backward()
    handle.remove()
    net.zero_grad()
    net(x).sin().mean().backward()


def tried_again(net: Any, x: am.Tensor) -> None:
    handle = next(net.parameters()).register_hook(_raise)
    loss = net(x).sin().mean()
    with contextlib.suppress(ZeroDivisionError):
        loss.backward(retain_graph=True)
    handle.remove()
    loss.backward()


def other_gradients(net: Any, x: am.Tensor) -> None:
    """`grad` passes the outputs, too, and asks for no sum."""
    x = x.detach().requires_grad_()
    out = net(x)
    am.autograd.grad(out.sum(), [x, *net.parameters()], retain_graph=True)
    out.sin().mean().backward()


def older_graph(net: Any, x: am.Tensor) -> None:
    """A backward leaves the graphs that were there before as they were."""
    older = net(data(3)[0]).cos().mean()
    net(x).sin().mean().backward()
    found = am.autograd.grad(older, list(net.parameters()))
    for p, gradient in zip(net.parameters(), found, strict=True):
        p.grad = p.grad + gradient


UNUSUAL = (
    used_twice, penalty_before, penalty_after, second_backward, second_backward_alone, two_forwards, two_steps, hooks,
    hook_that_raises, tried_again, other_gradients, older_graph,
)  # fmt: skip


def unusual(rank: int, size: int, folder: Path) -> Found:
    """Each of these ways to a gradient, with this process' share of nine examples."""
    found: Found = {}
    for way in UNUSUAL:
        replica = parallel(Deep())
        way(replica, share(data(9)[0], rank, size))
        found[way.__name__] = gradients(replica)
    return found


def early(rank: int, size: int, folder: Path) -> Found:
    """How many messages are under way as the gradient of the first layer comes, which is the last."""
    replica, comm = parallel(Deep()), Counting(None)
    if size > 1:
        comm = replica._comm = Counting(replica._comm)
    sent: list[int] = []
    replica.module.first.weight.register_hook(lambda gradient: sent.append(len(comm.calls)))
    arrays = []
    for _ in range(2):
        replica.zero_grad()
        used_twice(replica, share(data(9)[0], rank, size))
        arrays += [_owner(p.grad._array) for p in replica.parameters()]
    hooks = sum(len(p._node.extra.hooks) for p in replica.parameters())
    return {"sent": sent, "messages": comm.calls, "owners": len({id(array) for array in arrays}), "hooks": hooks}


def _owner(array: Any) -> Any:
    while array.base is not None:
        array = array.base
    return array


def accumulated(rank: int, size: int, folder: Path) -> Found:
    """no_sync: the gradient of two batches, of which the second travels with the first; then without no_sync."""
    x, y = data(12)
    first, second = [(share(x[part], rank, size), share(y[part], rank, size)) for part in (slice(6), slice(6, 12))]
    replica = parallel(network(rank))
    with replica.no_sync():
        (functional.cross_entropy(replica(first[0]), first[1]) / 2).backward()
    found: Found = {"local": gradients(replica)}
    (functional.cross_entropy(replica(second[0]), second[1]) / 2).backward()
    found["no_sync"] = gradients(replica)
    replica.zero_grad()
    for x_, y_ in (first, second):
        (functional.cross_entropy(replica(x_), y_) / 2).backward()
    found["twice"] = gradients(replica)
    replica.zero_grad(set_to_none=False)
    losses = [functional.cross_entropy(replica(x_), y_) for x_, y_ in (first, second)]
    (losses[0] + losses[1]).backward()
    found["two forwards"] = gradients(replica)
    return found


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 3), nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, x: am.Tensor, branch: str) -> dict[str, list[am.Tensor]]:
        return {"out": [getattr(self, branch)(x)]}


def unused(rank: int, size: int, folder: Path) -> Found:
    """Branch c is taken nowhere, a on process 0 alone, b on the others."""
    am.manual_seed(0)
    x = share(data(7)[0], rank, size)
    replica = parallel(Branches().double(), find_unused_parameters=True)
    for _ in range(2):
        replica.zero_grad()
        replica(x, branch="a" if rank == 0 else "b")["out"][0].sin().mean().backward()
    module = replica.module
    penalized = parallel(Branches().double(), find_unused_parameters=True)
    with am.no_grad():
        for p, q in zip(penalized.parameters(), module.parameters(), strict=True):
            p.copy_(q)
    (penalized(x, branch="a" if rank == 0 else "b")["out"][0].sin().mean() + _penalty(penalized)).backward()
    found = {name: p.grad is not None for name, p in module.named_parameters()}
    found["a"], found["penalized"] = gradients(module.a), gradients(penalized)
    strict = parallel(Branches().double())
    strict(x, "a")["out"][0].mean().backward()
    found["error"] = _error(lambda: strict(x, "a"))
    return found


def frozen(rank: int, size: int, folder: Path) -> Found:
    """The first layer is frozen for the second of three steps."""
    x, found = share(data(7)[0], rank, size), {}
    for way in (False, True):
        replica = parallel(network(rank), find_unused_parameters=way)
        for step in range(3):
            replica.module[0].requires_grad_(step != 1)
            replica.zero_grad()
            replica(x).sin().mean().backward()
            grads = [p.grad for p in replica.parameters() if p.grad is not None]
            found[f"{way} {step}"] = flat(grads)
    return found


def _error(call: Callable[[], Any]) -> str:
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def batch_norm(rank: int, size: int, folder: Path) -> Found:
    am.manual_seed(rank)
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    replica = parallel(model)
    optimizer = optim.SGD(replica.parameters(), lr=0.1)
    x, y = (share(t, rank, size) for t in data(12, "float32"))
    found: Found = {}
    for _ in range(3):
        optimizer.zero_grad()
        functional.cross_entropy(replica(x), y).backward()
        optimizer.step()
        found.setdefault("mean after a step", model[1].running_mean.numpy().copy())
    found["state"] = flat(t.double() for t in replica.state_dict().values())
    if rank == 0:  # alone, without the others: an evaluation, and a backward that does not go through the replica
        replica.eval()
        with am.no_grad():
            replica(x)
        model(x).sum().backward()
    return found


def training(rank: int, size: int, folder: Path) -> Found:
    """Ten ragged batches of 7 and one of 1, from a loader; stopped after an epoch, saved by one, loaded by all."""
    found: Found = {}

    def start(seed: int) -> tuple[Any, Any]:
        replica = parallel(network(seed))
        return replica, optim.RMSprop(replica.parameters(), lr=0.01, momentum=0.9)

    def epoch(replica: Any, optimizer: Any, number: int) -> None:
        generator = am.Generator().manual_seed(number)
        order = RandomSampler(range(71), generator=generator)
        for x, y in DataLoader(dataset, batch_sampler=DistributedBatchSampler(order, 7, drop_last=False)):
            optimizer.zero_grad()
            functional.cross_entropy(replica(x), y).backward()
            optimizer.step()

    dataset = TensorDataset(*data(71))
    replica, optimizer = start(rank)
    epoch(replica, optimizer, 0)
    if rank == 0:
        save({"model": replica.state_dict(), "optimizer": optimizer.state_dict()}, folder / "checkpoint.npz")
    distributed.barrier()
    epoch(replica, optimizer, 1)
    found["straight"] = flat(replica.parameters())
    names = "square_avg", "momentum_buffer"
    found["state"] = flat(state[name] for state in optimizer.state.values() for name in names)

    replica, optimizer = start(rank + 100)
    saved = load(folder / "checkpoint.npz")
    replica.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    epoch(replica, optimizer, 1)
    found["resumed"] = flat(replica.parameters())
    return found


def trainer(rank: int, size: int, folder: Path) -> Found:
    """fit, evaluate and checkpoints, on 23 samples in batches of 7."""
    model = network(0)
    replica = parallel(model)
    trainer = Trainer(replica, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.5), {"accuracy": accuracy})
    am.manual_seed(5 + rank)  # the order is drawn by process 0
    history = trainer.fit(
        data(23), 3, 7, validation=data(8), callbacks=[Checkpoint(folder / f"of {rank}.npz")], verbose=2
    )
    return {"history": list(history.values()), "parameters": flat(model.parameters())}


def mnist_step(rank: int, size: int, folder: Path) -> Found:
    """407,050 gradients: large messages take another way through MPI than small ones."""
    am.manual_seed(rank)
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
    replica = parallel(model)
    optimizer = optim.RMSprop(replica.parameters())
    draw = np.random.default_rng(rank)
    found: Found = {}
    for _ in range(3):
        optimizer.zero_grad()
        x, y = am.tensor(draw.random((9, 784), np.float32)), am.tensor(draw.integers(0, 10, 9))
        functional.cross_entropy(replica(x), y).backward()
        found.setdefault("gradients", gradients(model))
        optimizer.step()
    return {**found, "parameters": flat(model.parameters())}


def collectives(rank: int, size: int, folder: Path) -> Found:
    found: Found = {"rank": distributed.rank(), "size": distributed.world_size()}
    for op in distributed.ReduceOp:
        tensor = am.tensor([[rank + 1.0, 2.0], [3.0, -rank]]).T  # not in C order
        distributed.all_reduce(tensor, op)
        found[op.name] = tensor.numpy().copy()
    whole = am.zeros(4, 4)
    part = whole[:, ::2]
    part += rank + 1
    distributed.all_reduce(part)
    found["strided"] = whole.numpy()
    single = am.tensor(rank, dtype=am.int64)
    distributed.broadcast(single, src=size - 1)
    found["single"] = single.numpy()
    tensors = [am.full((2,), float(rank)), am.full((), rank), am.full((2, 2), float(rank)).double()]
    distributed.broadcast_parameters(tensors, src=size - 1)
    found["tensors"] = flat(t.double() for t in tensors)
    wide = 6 if rank == 0 else 7
    found["other model"] = _error(lambda: parallel(nn.Linear(wide, 2)))
    leaf = am.zeros(2, requires_grad=True)
    found["leaf"] = _error(lambda: distributed.all_reduce(leaf))
    replica = parallel(nn.Linear(2, 2), loss_reduction="sum")
    replica(am.ones(1, 2)).sum().backward()
    found["summed twice"] = _error(lambda: replica(am.ones(1, 2)).sum().backward())
    for set_to_none in (True, False):
        replica.zero_grad(set_to_none)
        replica(am.ones(1, 2)).sum().backward()
    found["sampler"] = list(DistributedSampler(range(7), shuffle=False))
    try:
        from threadpoolctl import threadpool_info

        pools = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        found["threads"] = max(pools, default=0)
    except ImportError:
        found["threads"] = 0
    return found


BOTH = (sums, accumulated, unused, unusual, frozen, batch_norm, training, mnist_step, early)  # in one message and more
PARTS = (*BOTH, structure, trainer, collectives)


def main(folder: Path) -> None:
    distributed.init()
    rank, size = distributed.get_rank(), distributed.get_world_size()
    for cap, parts in ((None, PARTS), (1e-4, BOTH)):
        caps.append(cap)
        for part in parts:
            found, name = part(rank, size, folder), part.__name__ + (" in buckets" if cap else "")
            np.savez(folder / f"{name}-{rank}.npz", **{name: np.asarray(value) for name, value in found.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
