"""Real MPI processes: the sum over them is the gradient of the whole batch, and the replicas stay the same to the bit.

`mpiexec` starts `worker.py` once for each number of processes; the tests look at what each process wrote down.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import distributed, nn
from autograd_mini.nn import functional
from autograd_mini.serialization import load
from autograd_mini.utils.data import DataLoader, DistributedBatchSampler, DistributedSampler, TensorDataset

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LAUNCHER = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
MISSING = [name for name, there in (("mpi4py", distributed.is_available()), ("mpiexec", LAUNCHER)) if not there]
needs_mpi = pytest.mark.skipif(bool(MISSING), reason=f'{", ".join(MISSING)} missing: "autograd_mini[mpi]"')
LAUNCHED = ("PMI", "PMIX", "MPI_", "OMPI_", "HYDRA")  # what a launcher leaves in the environment begins so
THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
SIZES = (1, 2, 3)
both = pytest.mark.parametrize("way", ["", " in buckets"])

spec = importlib.util.spec_from_file_location("worker", HERE / "worker.py")
assert spec is not None and spec.loader is not None
worker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(worker)


def environment(**changes: str) -> dict[str, str]:
    """Of a fresh shell: not started by MPI, threads of BLAS not set."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(LAUNCHED) and k not in THREADS}
    return {**clean, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **changes}


def mpiexec(n: int, *command: str | Path, **changes: str) -> subprocess.CompletedProcess[str]:
    assert LAUNCHER is not None
    return subprocess.run(
        [LAUNCHER, "-n", str(n), sys.executable, "-W", "error", *map(str, command)],
        env=environment(**changes), capture_output=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """run(n): the folder where n processes wrote what they found, and what they printed."""

    @functools.cache
    def start(n: int) -> tuple[Path, str]:
        folder = tmp_path_factory.mktemp(f"mpi{n}")
        done = mpiexec(n, "-m", "mpi4py", HERE / "worker.py", folder)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return folder, done.stdout

    return start


def found(run: Any, part: str, n: int) -> list[dict[str, Any]]:
    """What each of n processes found."""
    folder, _ = run(n)
    every = []
    for rank in range(n):
        with np.load(folder / f"{part}-{rank}.npz") as file:
            every.append(dict(file))
    return every


def same_bits(every: list[dict[str, Any]], name: str) -> Any:
    """What all processes found, the same to the last bit."""
    assert all(one[name].tobytes() == every[0][name].tobytes() for one in every)
    return every[0][name]


def error_of(actual: Any, expected: Any) -> float:
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


# ----------------------------------------------------------------------------------------------------- gradients


@needs_mpi
@both
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-14), ("float32", 1e-6)])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_sum_is_the_gradient_of_the_whole_batch(
    run: Any, n: int, dtype: str, tolerance: float, reduction: str, way: str
) -> None:
    """Also where the shares are not of one size, and where some have none: 1, 2 or 7 examples for 3 processes."""
    for examples in (1, 2, 7, 30):
        model = worker.network(0, dtype)
        x, y = worker.data(examples, dtype)
        functional.cross_entropy(model(x), y, reduction=reduction).backward()
        summed = same_bits(found(run, f"sums{way}", n), f"{dtype} {examples} {reduction}")
        assert summed.dtype == dtype
        assert error_of(summed, worker.gradients(model)) < tolerance, examples


@needs_mpi
@both
@pytest.mark.parametrize("n", SIZES)
def test_examples_along_another_axis(run: Any, n: int, way: str) -> None:
    model = worker.network(0)
    model(worker.data(7)[0]).mean().backward()
    assert error_of(same_bits(found(run, f"sums{way}", n), "dim 1"), worker.gradients(model)) < 1e-14


@needs_mpi
@both
@pytest.mark.parametrize("n", SIZES)
def test_the_mean_over_no_examples_does_not_spoil_the_sum(run: Any, n: int, way: str) -> None:
    model = worker.Scaled()
    x, y = worker.data(2)
    outputs, factor = model(x)
    (functional.cross_entropy(outputs, y) * factor).backward()
    every = found(run, f"sums{way}", n)
    assert error_of(same_bits(every, "factor"), worker.gradients(model)) < 1e-14
    assert same_bits(every, "hooks") == (n > 1)  # of an output that is a parameter; those of a last forward are gone


@needs_mpi
@pytest.mark.parametrize("n", SIZES)
def test_gradients_are_views_that_travel_as_one_message(run: Any, n: int) -> None:
    for one in found(run, "structure", n):
        assert list(one["keys"]) == ["module.0.weight", "module.0.bias", "module.2.weight", "module.2.bias"]
        assert one["is the module"] and one["same order"].all()
        assert list(one["messages"]) == ([] if n == 1 else ["Allreduce"] * 2)
        assert one["owners"] == (4 if n == 1 else 1)


@needs_mpi
@both
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("how", ["no_sync", "twice", "two forwards"])
def test_gradients_are_added_up(run: Any, n: int, how: str, way: str) -> None:
    model = worker.network(0)
    x, y = worker.data(12)
    functional.cross_entropy(model(x), y).backward()
    whole = worker.gradients(model) * (2 if how == "two forwards" else 1)
    every = found(run, f"accumulated{way}", n)
    assert error_of(same_bits(every, how), whole) < 1e-14
    model.zero_grad()
    for rank, one in enumerate(every):  # under no_sync nothing travelled
        model.zero_grad()
        (functional.cross_entropy(model(x[:6][rank::n]), y[:6][rank::n]) / 2).backward()
        assert error_of(one["local"], worker.gradients(model)) < 1e-14


@needs_mpi
@both
@pytest.mark.parametrize("n", SIZES)
def test_parameters_that_play_no_part(run: Any, n: int, way: str) -> None:
    am.manual_seed(0)
    module = worker.Branches().double()
    x, _ = worker.data(7)
    outputs = [module(x[rank::n], "a" if rank == 0 else "b")["out"][0].sin().sum() for rank in range(n)]
    (sum(outputs) / 21).backward()
    every = found(run, f"unused{way}", n)
    assert error_of(same_bits(every, "a"), worker.gradients(module.a)) < 1e-14
    worker._penalty(module).backward()
    for p in module.parameters():
        p.grad = am.zeros_like(p) if p.grad is None else p.grad
    assert error_of(same_bits(every, "penalized"), worker.gradients(module)) < 1e-14
    for one in every:
        assert [bool(one[f"{branch}.weight"]) for branch in "abc"] == [True, n > 1, False]
        message = str(one["error"])
        assert message == "no error" if n == 1 else "b.bias" in message and "find_unused_parameters=True" in message


@needs_mpi
@both
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("unused", [False, True])
def test_parameters_may_be_frozen_and_thawed(run: Any, n: int, unused: bool, way: str) -> None:
    model = worker.network(0)
    model(worker.data(7)[0]).sin().mean().backward()
    whole = worker.gradients(model)
    rest = whole[sum(p.numel() for p in model[0].parameters()) :]
    for step, expected in enumerate((whole, rest, whole)):
        assert error_of(same_bits(found(run, f"frozen{way}", n), f"{unused} {step}"), expected) < 1e-14


@needs_mpi
@both
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("case", worker.UNUSUAL)
def test_unusual_ways_to_a_gradient(run: Any, n: int, case: Any, way: str) -> None:
    """One layer used twice, with all that may be around a backward: as one process has it with the whole batch."""
    module = worker.Deep()
    case(module, worker.data(9)[0])
    assert error_of(same_bits(found(run, f"unusual{way}", n), case.__name__), worker.gradients(module)) < 1e-14


@needs_mpi
@pytest.mark.parametrize("n", (2, 3))
def test_buckets_travel_while_other_gradients_are_computed(run: Any, n: int) -> None:
    for one in found(run, "early in buckets", n):
        assert list(one["messages"]) == ["Iallreduce"] * 6  # each layer is one bucket
        assert list(one["sent"]) == [2, 5] and one["owners"] == one["hooks"] == 1
    for one in found(run, "early", n):
        assert list(one["messages"]) == ["Allreduce"] * 2 and list(one["sent"]) == [0, 1]


# ------------------------------------------------------------------------------------------------------ replicas


@needs_mpi
@both
@pytest.mark.parametrize("n", SIZES)
def test_replicas_stay_the_same_to_the_bit_and_resume(run: Any, n: int, way: str) -> None:
    every = found(run, f"training{way}", n)
    straight = same_bits(every, "straight")
    same_bits(every, "state")
    assert same_bits(every, "resumed").tobytes() == straight.tobytes()
    alone = found(run, f"training{way}", 1)[0]["straight"]
    assert error_of(straight, alone) < 1e-11  # 22 steps, divided by roots of small averages


@needs_mpi
@both
@pytest.mark.parametrize("n", SIZES)
def test_large_replicas_stay_the_same_to_the_bit(run: Any, n: int, way: str) -> None:
    """Each process has examples of its own, which the others never see."""
    every = found(run, f"mnist_step{way}", n)
    assert same_bits(every, "parameters").size == 407_050
    am.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
    draws = [np.random.default_rng(rank) for rank in range(n)]
    batches = [(draw.random((9, 784), np.float32), draw.integers(0, 10, 9)) for draw in draws]
    x, y = (am.tensor(np.concatenate(parts)) for parts in zip(*batches, strict=True))
    functional.cross_entropy(model(x), y).backward()
    assert error_of(same_bits(every, "gradients"), worker.gradients(model)) < 1e-6


@needs_mpi
@both
@pytest.mark.parametrize("n", SIZES)
def test_buffers_follow_process_0(run: Any, n: int, way: str) -> None:
    """Those of one process that has its share alone: as in PyTorch, statistics are not those of the whole batch."""
    every = found(run, f"batch_norm{way}", n)
    same_bits(every, "state")
    am.manual_seed(0)
    first = nn.Linear(6, 4)
    x, _ = worker.data(12, "float32")
    mean = first(x[0::n]).mean(0).detach().numpy()
    np.testing.assert_allclose(same_bits(every, "mean after a step"), 0.1 * mean, rtol=1e-5)


@needs_mpi
@pytest.mark.parametrize("n", SIZES)
def test_the_trainer_makes_the_steps_of_one_process(run: Any, n: int) -> None:
    every = found(run, "trainer", n)
    alone = found(run, "trainer", 1)[0]
    assert error_of(same_bits(every, "parameters"), alone["parameters"]) < 1e-13
    assert error_of(same_bits(every, "history"), alone["history"]) < 1e-13
    folder, printed = run(n)
    assert printed.count("Epoch 3/3 - 4/4 - ") == printed.count("Epoch") / 3 == 1  # process 0 alone
    assert sorted(path.name for path in folder.glob("of *")) == ["of 0.npz"]
    assert next(iter(load(folder / "of 0.npz"))) == "module.0.weight"


# --------------------------------------------------------------------------------------------------- collectives


@needs_mpi
@pytest.mark.parametrize("n", SIZES)
def test_what_processes_tell_each_other(run: Any, n: int) -> None:
    every = found(run, "collectives", n)
    ranks = np.arange(n)
    values = np.stack([[[r + 1.0, 3.0], [2.0, -r]] for r in ranks]).astype(np.float32)
    for rank, one in enumerate(every):
        assert (one["rank"], one["size"]) == (rank, n)
        for name, function in (("SUM", np.sum), ("PRODUCT", np.prod), ("MIN", np.min), ("MAX", np.max)):
            np.testing.assert_array_equal(one[name], function(values, 0))
        np.testing.assert_allclose(one["AVG"], values.mean(0), rtol=1e-7)
        expected = np.zeros((4, 4))
        expected[:, ::2] = n * (n + 1) / 2
        np.testing.assert_array_equal(one["strided"], expected)
        assert one["single"] == n - 1 and (one["tensors"] == n - 1).all() and one["tensors"].size == 7
        other, twice = str(one["other model"]), str(one["summed twice"])
        assert other == "no error" if n == 1 else "RuntimeError: DDP expects same model across all ranks" in other
        assert twice == "no error" if n == 1 else "zero_grad() before the next backward" in twice
        assert "leaf Variable that requires grad" in str(one["leaf"])
        assert list(one["sampler"]) == [i % 7 for i in range(rank, -(-7 // n) * n, n)]


@needs_mpi
@pytest.mark.parametrize("n", (2, 3))
def test_each_process_has_its_share_of_the_cores(run: Any, n: int) -> None:
    pytest.importorskip("threadpoolctl")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = [int(one["threads"]) for one in found(run, "collectives", n)]
    if not any(threads):
        pytest.skip("this NumPy's BLAS is none that threadpoolctl knows")
    assert threads == [max(1, cores // n)] * n


# ------------------------------------------------------------------------------------------------ starting, ending


@needs_mpi
def test_a_process_that_dies_ends_the_others(tmp_path: Path) -> None:
    """Rank 0 waits for rank 1; under `-m mpi4py` it does not wait forever."""
    script = tmp_path / "dies.py"
    script.write_text(
        "from autograd_mini import distributed\n"
        "distributed.init()\n"
        "if distributed.rank() == 1:\n"
        "    raise ValueError('the disk is full')\n"
        "distributed.barrier()\n"
        "print('never here')\n"
    )
    start = time.monotonic()
    done = mpiexec(2, "-m", "mpi4py", script)
    assert done.returncode != 0 and "ValueError: the disk is full" in done.stderr
    assert "never here" not in done.stdout
    assert time.monotonic() - start < 250, "it hung until it was stopped"


@needs_mpi
def test_the_demo_runs_as_it_is_on_two_processes(tmp_path: Path) -> None:
    options = ["--source", "digits", "--limit", "60", "--epochs", "1", "--hidden", "16", "--no-progress"]
    demo = ("-m", "mpi4py", ROOT / "demos/mnist_mlp.py", *options, "--out", tmp_path / "out")
    done = mpiexec(2, *demo, AUTOGRAD_MINI_CACHE=str(tmp_path / "cache"))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "2 processes, each with a part of every batch\n" in done.stdout
    for once in ("Data: drawn digits\n", "Epoch 1/1 - 1/1 - ", "Test accuracy ", "Loaded again:  60 of 60 predictions"):
        assert done.stdout.count(once) == 1, once


def alone(code: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment(**changes), capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip


def test_one_process_needs_no_mpi() -> None:
    done = alone(
        "import sys, autograd_mini as am; from autograd_mini import distributed, nn\n"
        "distributed.init(); distributed.init()\n"
        "model = distributed.DistributedDataParallel(nn.Linear(2, 1))\n"
        "with model.no_sync(): model(am.ones(3, 2)).sum().backward()\n"
        "distributed.barrier(); distributed.broadcast_parameters(model)\n"
        "print(distributed.rank(), distributed.world_size(), model.module.weight.grad.tolist())\n"
        "print('mpi4py' in sys.modules)"
    )
    assert (done.stdout, done.stderr) == ("0 1 [[3.0, 3.0]]\nFalse\n", "")


@pytest.mark.parametrize("variable", ["PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK"])
def test_several_processes_without_mpi4py_are_told_what_to_install(variable: str) -> None:
    done = alone(
        "import sys; sys.modules['mpi4py'] = None; from autograd_mini import distributed; distributed.init()",
        **{variable: "2"},
    )
    assert 'ImportError: several processes need MPI: pip install "autograd_mini[mpi]"' in done.stderr


@needs_mpi
def test_the_launcher_of_another_mpi_is_noticed() -> None:
    done = alone("from autograd_mini import distributed; distributed.init()", OMPI_COMM_WORLD_SIZE="4")
    assert "RuntimeError: 4 processes were started, but each finds itself alone" in done.stderr


@pytest.fixture
def single() -> Any:
    distributed.init()
    yield
    distributed.destroy_process_group()


def test_before_init_is_an_error() -> None:
    assert not distributed.is_initialized()
    calls: list[Any] = [
        distributed.rank, distributed.world_size, distributed.barrier, distributed.destroy_process_group,
        lambda: distributed.all_reduce(am.ones(2)), lambda: DistributedSampler(range(3)),
        lambda: distributed.DistributedDataParallel(nn.Linear(1, 1)),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match=r"has not been initialized: call autograd_mini\.distributed\.init"):
            call()


def test_bad_arguments(single: None) -> None:
    with pytest.raises(ValueError, match="twice"):
        distributed.init_process_group("mpi")
    with pytest.raises(ValueError, match="'gloo': the processes talk by MPI"):
        distributed.init("gloo")
    with pytest.raises(ValueError, match="src=1 is no process"):
        distributed.broadcast(am.ones(2), src=1)
    with pytest.raises(TypeError, match="there is no SUM of bool"):
        distributed.all_reduce(am.tensor([True]))
    with pytest.raises(TypeError, match="there is no AVG of int64"):
        distributed.all_reduce(am.tensor([1]), distributed.ReduceOp.AVG)
    with pytest.raises(TypeError, match="op must be a ReduceOp"):
        distributed.all_reduce(am.ones(1), "sum")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="exchange tensors, not ndarray"):
        distributed.broadcast_parameters([np.ones(2)])  # type: ignore[list-item]
    with pytest.raises(RuntimeError, match="any parameters that require a gradient"):
        distributed.DistributedDataParallel(nn.ReLU())
    with pytest.raises(NotImplementedError, match=r"device_ids=\[0\] is not supported"):
        distributed.DistributedDataParallel(nn.Linear(1, 1), device_ids=[0])
    for cap in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="bucket_cap_mb must be above 0, or None for one message, not"):
            distributed.DistributedDataParallel(nn.Linear(1, 1), bucket_cap_mb=cap)
    with pytest.raises(ValueError, match="loss_reduction must be 'mean' or 'sum', not 'max'"):
        distributed.DistributedDataParallel(nn.Linear(1, 1), loss_reduction="max")


def test_pytorchs_places() -> None:
    assert nn.parallel.DistributedDataParallel is distributed.DistributedDataParallel
    assert am.utils.data.distributed.DistributedSampler is DistributedSampler
    assert am.distributed is distributed


# ------------------------------------------------------------------------------------------------------ samplers


CASES = [(n, w, drop) for n in (0, 1, 2, 7, 8, 9, 30) for w in (1, 2, 3, 8) for drop in (False, True) if n or not drop]


def test_the_sampler_is_pytorchs() -> None:
    torch_data = pytest.importorskip("torch.utils.data")
    for n, replicas, drop in CASES:
        for rank in range(replicas):
            ours = DistributedSampler(range(n), replicas, rank, shuffle=False, drop_last=drop)
            theirs = torch_data.DistributedSampler(range(n), replicas, rank, shuffle=False, drop_last=drop)
            assert len(ours) == len(theirs) and ours.total_size == theirs.total_size
            if n:
                assert list(ours) == list(theirs), (n, replicas, rank, drop)
    for wrong in (-1, 2):
        with pytest.raises(ValueError, match="Invalid rank") as ours_error:
            DistributedSampler(range(4), 2, wrong)
        with pytest.raises(ValueError) as theirs_error:
            torch_data.DistributedSampler(range(4), 2, wrong)
        assert str(ours_error.value) == str(theirs_error.value)


def test_shuffled_shares_are_all_samples_and_change_with_the_epoch() -> None:
    for n, replicas, drop in CASES:
        samplers = [DistributedSampler(range(n), replicas, rank, seed=3, drop_last=drop) for rank in range(replicas)]
        shares = [list(sampler) for sampler in samplers]
        assert {len(share) for share in shares} == {n // replicas if drop else -(-n // replicas)}
        taken = [i for share in shares for i in share]
        if drop:
            assert len(set(taken)) == len(taken) == n // replicas * replicas
        else:
            assert set(taken) == set(range(n)) and (n < replicas or max(map(taken.count, taken), default=1) <= 2)
    first = DistributedSampler(range(30), 2, 0)
    again, other = DistributedSampler(range(30), 2, 0), DistributedSampler(range(30), 2, 0, seed=1)
    orders = [list(first), list(first), list(again), list(other)]
    assert orders[0] == orders[1] == orders[2] != orders[3] and orders[0] != sorted(orders[0])
    first.set_epoch(1)
    assert list(first) == orders[3]  # seed + epoch, as in PyTorch


def test_shares_of_batches_on_one_process_are_the_batches(single: None) -> None:
    dataset = TensorDataset(am.arange(7))
    loader = DataLoader(dataset, batch_sampler=DistributedBatchSampler(range(7), 3, drop_last=True))
    assert [x.tolist() for (x,) in loader] == [[0, 1, 2], [3, 4, 5]] and len(loader) == 2
