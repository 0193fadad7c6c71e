"""Checks of what CTranslate2 computes on: the GPU and its driver, the CUDA libraries, the number formats.

What is seen (:class:`Gpus`) is apart from what is made of it, so that a machine without a GPU can test the latter.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from reswhis.backends import cuda
from reswhis.core.errors import ConfigurationError

from .finding import Case, Finding, Remedy, State

OLDEST_DRIVER = {"linux": 525, "win32": 528}
"""For CUDA 12."""
CUDNN_UNTIL = (4, 6, 3)
"""From this version on CTranslate2 does without cuDNN."""
NVIDIA_SMI_S = 5.0
DRIVER_IN_KERNEL = Path("/proc/driver/nvidia/version")

ON_CPU = Remedy("To do without it", "reswhis --device cpu")


@dataclass(frozen=True, slots=True)
class Gpus:
    """What is known of this machine's."""

    usable: int
    """As CTranslate2 counts them."""
    listed: tuple[str, ...] = ()
    """Names, as the driver has them."""
    driver: str = ""
    """Its version; empty if there is no ``nvidia-smi`` that answers."""
    hidden_by: str | None = None
    """What CUDA_VISIBLE_DEVICES says, if it is set."""
    driver_without_smi: bool = False
    """The kernel has a driver that nothing here talks to."""


def device(case: Case) -> Iterator[Finding]:
    from reswhis.backends import devices
    from reswhis.settings.layers import backend_config

    config = backend_config(case.settings)
    cores = devices.cores()
    if sys.platform == "darwin":
        if config.device == "cuda":
            yield Finding("GPU", State.PROBLEM, "there is no CUDA on a Mac", ON_CPU)
        return
    yield judge(_gpus(case), config.device, config.device_indices, cores)


def judge(gpus: Gpus, asked: str, indices: Iterable[int], cores: int) -> Finding:
    absent = {"auto": State.WARNING, "cuda": State.PROBLEM}.get(asked, State.SKIPPED)
    names = ", ".join(gpus.listed) or "a GPU"
    driver = f", driver {gpus.driver}" if gpus.driver else ""
    beyond = [index for index in indices if index >= gpus.usable]
    if gpus.usable and beyond and asked != "cpu":
        state = State.PROBLEM
        what = f"there is no GPU number {beyond[0]}: {names} {'is' if gpus.usable == 1 else 'are'} counted from 0"
        return Finding("GPU", state, what, Remedy("Take the first", "reswhis --device-index 0"))
    if gpus.usable:
        unused = "; not used, since the device is cpu" if asked == "cpu" else ""
        return Finding("GPU", State.OK, f"{names}{driver}{unused}")
    if gpus.hidden_by is not None and (gpus.listed or gpus.driver_without_smi):
        what = f'CUDA_VISIBLE_DEVICES="{gpus.hidden_by}" hides {names}'
        return Finding("GPU", absent, what, Remedy("To let it be seen", _unset("CUDA_VISIBLE_DEVICES")))
    oldest = OLDEST_DRIVER.get(sys.platform, 0)
    if gpus.listed and (number := re.match(r"\d+", gpus.driver)) and int(number[0]) < oldest:
        what = f"the driver of {names} is {gpus.driver}; CUDA {cuda.MAJOR} needs {oldest} or later"
        return Finding("GPU", absent, what, Remedy("Update it from nvidia.com/drivers, or do without", ON_CPU.command))
    if gpus.listed:
        what = f"{names}{driver}: CTranslate2 cannot use it"
        return Finding("GPU", absent, what, Remedy("Start the machine anew, or do without", ON_CPU.command))
    if gpus.driver_without_smi:
        what = "there is an NVIDIA driver, but no GPU can be seen from here"
        shows = Remedy("A container has to be given it; this should show it", "docker run --gpus all ubuntu nvidia-smi")
        return Finding("GPU", absent, what, shows)
    counted = f"{cores} core" + ("s" if cores > 1 else "")
    if asked == "cuda":
        return Finding("GPU", State.PROBLEM, "no NVIDIA GPU, or no driver of one", ON_CPU)
    return Finding("GPU", State.SKIPPED, f"no NVIDIA GPU, or no driver of one: the CPU decodes ({counted})")


def libraries(case: Case) -> Iterator[Finding]:
    from reswhis.backends import devices
    from reswhis.settings.layers import backend_config

    if sys.platform == "darwin":
        return
    config = backend_config(case.settings)
    if not devices.gpus():
        place = next(cuda.paths(cuda.CUBLAS), None)
        installed = f"; {cuda.CUBLAS.name} is in {place.parent}" if place else ""
        yield Finding("CUDA libraries", State.SKIPPED, f"not needed without an NVIDIA GPU{installed}")
        return
    if config.backend not in ("auto", "faster-whisper"):
        yield Finding("CUDA libraries", State.SKIPPED, f"{config.backend} does not use CTranslate2's")
        return
    cuda.load(cuda.NVRTC)
    cuda.load(cuda.CUBLAS_LT)
    cudnn = next(cuda.paths(cuda.CUDNN), None)
    yield judge_library(cuda.load(cuda.CUBLAS), config.device)
    yield judge_cudnn(cudnn, version("ctranslate2"), config.device)


def judge_library(search: cuda.Search, asked: str) -> Finding:
    name = search.library.name
    if search.place is not None:
        return Finding(name, State.OK, str(search.place))
    state = {"auto": State.WARNING, "cuda": State.PROBLEM}.get(asked, State.SKIPPED)
    what = f"cannot be loaded: {search.failure}" if search.failure else "not found, and without it the GPU is not used"
    return Finding(name, state, what, Remedy("This brings it", cuda.EXTRA))


def judge_cudnn(place: Path | None, ctranslate2: str, asked: str) -> Finding:
    numbers = tuple(int(number) for number in re.findall(r"\d+", ctranslate2)[:3])
    if numbers >= CUDNN_UNTIL:
        there = f"; there is one: {place}" if place else ""
        return Finding(cuda.CUDNN.name, State.SKIPPED, f"not needed by CTranslate2 {ctranslate2}{there}")
    return judge_library(cuda.Search(cuda.CUDNN, place), asked)


def compute_types(case: Case) -> Iterator[Finding]:
    import ctranslate2

    from reswhis.backends import devices
    from reswhis.settings.layers import backend_config

    config = backend_config(case.settings)
    asked = config.compute_type
    usable = devices.gpus()
    places = [("cpu", 0), *(("cuda", index) for index in dict.fromkeys(config.device_indices) if index < usable)]
    for name, index in places:
        there = ", ".join(sorted(ctranslate2.get_supported_compute_types(name, index)))
        title = "CPU" if name == "cpu" else f"GPU {index}"
        try:
            is_used = config.device in (name, "auto") and (name == "cuda" or not usable)
            taken = f"; {devices.compute_type(asked, name, index)} is used" if is_used else ""
        except ConfigurationError:
            what = f"{asked} is not possible on this {title}, but {there}"
            remedy = Remedy("Leave the choice to reswhis", "reswhis --compute-type auto")
            yield Finding("compute types", State.PROBLEM, what, remedy)
        else:
            yield Finding("compute types", State.OK, f"{title}: {there}{taken}")


def _gpus(case: Case) -> Gpus:
    from reswhis.backends import devices

    listed, driver = _nvidia_smi()
    return Gpus(
        usable=devices.gpus(),
        listed=listed,
        driver=driver,
        hidden_by=case.environ.get("CUDA_VISIBLE_DEVICES"),
        driver_without_smi=not driver and DRIVER_IN_KERNEL.exists(),
    )


def _nvidia_smi() -> tuple[tuple[str, ...], str]:
    """Names of the GPUs and version of the driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return (), ""
    query = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(
            query, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=NVIDIA_SMI_S
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return (), ""
    return names_and_driver(said)


def names_and_driver(said: str) -> tuple[tuple[str, ...], str]:
    """Of lines such as ``NVIDIA L4, 23034 MiB, 550.54.15``."""
    rows = [[cell.strip() for cell in line.split(",")] for line in said.splitlines()]
    rows = [row for row in rows if len(row) == 3]
    return tuple(f"{name} ({memory})" for name, memory, _ in rows), next((driver for _, _, driver in rows), "")


def _unset(variable: str) -> str:
    return f"Remove-Item Env:{variable}" if sys.platform == "win32" else f"unset {variable}"
