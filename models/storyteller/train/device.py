"""What makes training fast on a GPU and absent on a CPU: compiled functions and a step recorded as a CUDA graph."""

from collections.abc import Callable

import torch


def pick_device() -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.set_float32_matmul_precision("high")
    return torch.device("cuda")


def compiled(function: Callable, device: torch.device) -> Callable:
    return torch.compile(function, dynamic=False) if device.type == "cuda" else function


def captured(step: Callable[[], None], device: torch.device, warmup: int = 3) -> Callable[[], None]:
    """A function that does what `step` does. On a GPU the first calls run it as it is (compiling on the way), then it is
    recorded once and replayed."""
    if device.type != "cuda":
        return step
    stream = torch.cuda.Stream()
    graph = torch.cuda.CUDAGraph()
    calls = 0

    def run() -> None:
        nonlocal calls
        calls += 1
        if calls <= warmup:
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                step()
            torch.cuda.current_stream().wait_stream(stream)
            return
        if calls == warmup + 1:
            torch.cuda.synchronize()
            with torch.cuda.graph(graph):
                step()
        graph.replay()

    return run
