"""The benchmarks: the same work in several libraries, side by side. `python tests/benchmarks/run.py --help`.

    python tests/benchmarks/run.py                                    everything: tables, and with --json FILE a file
    python tests/benchmarks/run.py --profile lenet --trace lenet.json where our own step spends its time and memory

Each library runs in a process of its own with the same number of threads. The processes take turns, a short round
each, so that a machine that slows down slows all of them; what is printed is the median over the rounds and, as the
figure to read, the ratio to PyTorch eager (the median of the ratios round by round). What is not installed is left out.

Each module `bench_<workload>.py` beside this file has one function per library, which prepares and returns `step`, the
function to be timed, and says how many units of work one call is. Where it is not (one) time that counts, the module
has `measure(library)` instead, which returns figures by name; their medians over three processes are printed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
REFERENCE = "torch"
PAUSE = 0.25  # seconds before a round: until then the threads of the library before spin, on the cores of the next


def workloads() -> list[str]:
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def module_of(workload: str) -> ModuleType:
    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))
    return importlib.import_module(f"bench_{workload}")


# ------------------------------------------------------------------------------------------------- one worker


def serve(workload: str, library: str) -> None:
    """In the worker: prepare, then time one round for each line that arrives on standard input."""
    module = prepared(workload, library)
    if hasattr(module, "measure"):
        print(json.dumps(module.measure(library)))
        return
    step: Callable[[], Any] = getattr(module, library)()
    step()
    calls = max(1, round(0.15 / timed(step, 1)))  # a round lasts about 0.15 s
    print("ready", flush=True)
    for _ in sys.stdin:
        timed(step, max(1, calls // 4))  # warms up the caches, which another process used meanwhile
        print(timed(step, calls) / module.UNITS, flush=True)


def prepared(workload: str, library: str) -> ModuleType:
    if library == "torch":
        import torch

        torch.set_num_threads(int(os.environ[THREAD_VARIABLES[0]]))
    return module_of(workload)


def timed(step: Callable[[], Any], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        step()
    return (time.perf_counter() - start) / calls


def environment(threads: int) -> dict[str, str]:
    return {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads)), "JAX_PLATFORMS": "cpu"}


class Worker:
    """A process that holds one library ready to run one workload."""

    def __init__(self, workload: str, library: str, threads: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "run.py"), "--serve", workload, library], env=environment(threads), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.ready = self._line() == "ready"

    def round(self) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def close(self) -> str:
        _, errors = self.process.communicate()
        return errors.strip().splitlines()[-1] if errors.strip() else ""


# ------------------------------------------------------------------------------------------------- comparing


def compare(workload: str, threads: int, rounds: int) -> list[dict[str, Any]]:
    source = module_of(workload)
    workers = {library: Worker(workload, library, threads) for library in source.LIBRARIES}
    for library in [name for name, worker in workers.items() if not worker.ready]:
        print(f"  ({library} left out: {workers.pop(library).close()})", flush=True)
    times: dict[str, list[float]] = {library: [] for library in workers}
    for number in range(rounds + 1):
        for library, worker in workers.items():
            time.sleep(PAUSE)
            seconds = worker.round()
            if number:  # the first round warms up
                times[library].append(seconds)
    for worker in workers.values():
        worker.close()
    return [row(workload, source.UNIT, threads, library, times) for library in times]


def figures(workload: str, threads: int, processes: int) -> list[dict[str, Any]]:
    """The medians of what `measure` returns, for each library in processes of its own, one after the other."""
    results: dict[str, list[dict[str, float]]] = {}
    for _ in range(processes):
        for library in module_of(workload).LIBRARIES:
            command = [sys.executable, str(HERE / "run.py"), "--serve", workload, library]
            run = subprocess.run(command, env=environment(threads), text=True, capture_output=True)
            if run.returncode == 0:
                results.setdefault(library, []).append(json.loads(run.stdout.splitlines()[-1]))
            else:
                reason = run.stderr.strip().splitlines() or [f"exit status {run.returncode}"]
                print(f"  ({library} left out: {reason[-1]})", flush=True)
    return [
        {
            "workload": workload, "threads": threads, "library": library,
            "figures": {name: statistics.median(r[name] for r in measured) for name in measured[0]},
        }
        for library, measured in results.items()
    ]  # fmt: skip


def show_figures(rows: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(name for r in rows for name in r["figures"]))
    print(f"\n{rows[0]['workload']}, {rows[0]['threads']} thread(s)")
    print(f"  {'':14}" + "".join(f"{name:>18}" for name in names))
    for r in rows:
        cells = (f"{r['figures'][name]:.2f}" if name in r["figures"] else "" for name in names)
        print(f"  {r['library']:14}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


def row(workload: str, unit: str, threads: int, library: str, times: dict[str, list[float]]) -> dict[str, Any]:
    own, reference = times[library], times.get(REFERENCE)
    ratio = statistics.median(a / b for a, b in zip(own, reference, strict=True)) if reference else None
    return {
        "workload": workload, "threads": threads, "library": library, "unit": unit,
        "median": statistics.median(own), "low": min(own), "high": max(own), "ratio": ratio,
    }  # fmt: skip


def show(rows: list[dict[str, Any]]) -> None:
    scale = 1e3 if rows[0]["median"] > 1e-4 else 1e6
    name = "ms" if scale == 1e3 else "µs"
    print(f"\n{rows[0]['workload']}, {rows[0]['threads']} thread(s), {name} per {rows[0]['unit']}")
    print(f"  {'':14} {'median':>9} {'fastest':>9} {'slowest':>9}   ratio to {REFERENCE}")
    for r in sorted(rows, key=lambda r: r["median"]):
        ratio = f"{r['ratio']:.2f}" if r["ratio"] is not None else "-"
        figures = " ".join(f"{r[key] * scale:9.3f}" for key in ("median", "low", "high"))
        print(f"  {r['library']:14} {figures}   {ratio}", flush=True)


def machine() -> dict[str, str]:
    versions = {}
    for package in ("autograd_mini", "numpy", "torch", "jax", "autograd", "mygrad", "micrograd"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    system = {"python": platform.python_version(), "system": platform.platform(), "cores": str(os.cpu_count())}
    return {**system, **versions}


def profile(workload: str, steps: int, trace: Path | None) -> None:
    """Our own steps, operation by operation; listening costs some 0.3 µs per call of a Python function."""
    from autograd_mini import profiler

    make = getattr(module_of(workload), "autograd_mini", None)
    if make is None or not is_timed(workload):
        sys.exit(f"{workload} has no step to profile; these have: {', '.join(w for w in workloads() if is_timed(w))}")
    step: Callable[[], Any] = make()
    step()
    with profiler.profile() as prof:
        for _ in range(steps):
            step()
    print(prof.key_averages().table(sort_by="self_cpu_time_total"))
    if trace is not None:
        prof.export_chrome_trace(trace)
        print(f"{trace}: to be opened in ui.perfetto.dev or chrome://tracing")


def is_timed(workload: str) -> bool:
    return not hasattr(module_of(workload), "measure")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(workloads())
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"any of {names}; default: all")
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1], help="numbers of BLAS threads (default: 2 1)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds that count, for each library (default: 15)")
    parser.add_argument("--json", type=Path, help="write all figures to this file, too")
    parser.add_argument("--profile", metavar="WORKLOAD", help="print where our own step spends time and memory instead")
    parser.add_argument("--steps", type=int, default=10, help="how many steps to profile (default: 10)")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="with --profile: the trace for a browser's viewer")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(*options.serve)
    if options.profile:
        return profile(options.profile, options.steps, options.trace)
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    rows = []
    for workload in options.workloads or workloads():
        for threads in options.threads:
            if is_timed(workload):
                result = compare(workload, threads, options.rounds)
                show(result)
            else:
                result = figures(workload, threads, min(3, options.rounds))
                show_figures(result)
            rows += result
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
