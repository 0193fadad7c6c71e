"""How many workers share a CPU's cores, and what may be one batch: by timing the model, or from a GPU's free memory.

Small models gain nothing from a second thread, and large ones are too slow without: so it is measured, for a second or
two. Called by who chooses a model, before its workers are made.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reswhis.core.errors import ConfigurationError

QUICK_S = 0.3
"""A window that takes no longer is soon enough: from there on what counts is how many are done in a second."""
MOST_WORKERS = 8
SMALL_BYTES = 300_000_000
"""Weights that are loaded again for each layout that is tried. Larger models have one worker with all cores."""
ON_CPU = 8
"""Windows of a short context in a batch: the decoder takes as long for all of them as for one or two."""
ON_CPU_FULL = 2
"""With 30 s of context the encoder takes most of the time, and that as often as there are windows."""
ON_GPU = 32
ITEM_BYTES, ITEM_SHARE = 50_000_000, 0.15
"""What a window in a batch takes of a GPU's memory: so much, and so much of what the weights take, in float16."""


@dataclass(frozen=True, slots=True)
class Layout:
    workers: int
    threads: int
    """Of each worker."""


def layouts(cores: int, max_threads: int) -> list[Layout]:
    """Worth trying: one worker with all cores, workers of one core each, and what is between."""
    found = []
    threads = 1
    while threads <= min(cores, max_threads):
        found.append(Layout(min(cores // threads, MOST_WORKERS), threads))
        threads *= 2
    return [found[0], found[len(found) // 2], found[-1]] if len(found) > 3 else found


def best(seconds_per_window: Mapping[Layout, float]) -> Layout:
    """The one that decodes most, of those in which nobody waits long for a window."""
    limit_s = max(QUICK_S, 1.2 * min(seconds_per_window.values()))
    quick = [layout for layout, took_s in seconds_per_window.items() if took_s <= limit_s]
    return max(quick, key=lambda layout: layout.workers / seconds_per_window[layout])


def calibrate(candidates: list[Layout], time_window: Callable[[Layout], float]) -> Layout:
    """``time_window``: the seconds that one of a layout's workers takes for a window."""
    if len(candidates) == 1:
        return candidates[0]
    return best({layout: time_window(layout) for layout in candidates})


def batch_on_gpu(free_bytes: int, weights_bytes: int, workers: int) -> int:
    """What fits into half of what is free, so that there is room for what an estimate leaves out."""
    room = max(0, free_bytes - workers * weights_bytes) // 2 // workers
    return max(1, min(ON_GPU, int(room / (ITEM_BYTES + ITEM_SHARE * weights_bytes))))


def free_bytes(device_index: int) -> int:
    """Of a GPU's memory, as its driver says.

    Raises:
        ConfigurationError: it does not.
    """
    command = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits", "--id", str(device_index)]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
        return int(said) * 1024 * 1024
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ConfigurationError(
            "nvidia-smi does not say how much memory the GPU has free: set --max-batch yourself, such as 8."
        ) from error
