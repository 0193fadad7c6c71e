"""Checks of what is installed: versions, the settings' sources, the recognisers and what they bring."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from reswhis import __version__
from reswhis.backends import cuda

from .finding import Case, Finding, Remedy, State

if TYPE_CHECKING:
    from reswhis.backends.base import BackendConfig


def versions(case: Case) -> Iterator[Finding]:
    system = f"{platform.system()} {platform.machine()}"
    yield Finding("reswhis", State.OK, f"{__version__}, Python {platform.python_version()} in {sys.prefix}, {system}")


def settings(case: Case) -> Iterator[Finding]:
    from reswhis.settings import Settings, from_sources

    if case.refusal:
        what = f"{case.refusal.rstrip('.')}; what follows is for the defaults"
        yield Finding("settings", State.PROBLEM, what, Remedy("Correct it; all there is", "reswhis --help-all"))
        return
    defaults = from_sources({})
    changed = [name for name in Settings.model_fields if getattr(case.settings, name) != getattr(defaults, name)]
    what = f"{', '.join(changed)} set; the rest as by default" if changed else "all as by default"
    yield Finding("settings", State.OK, what)


def recognisers(case: Case) -> Iterator[Finding]:
    """Which there are, what brings the others, and whether the server's own can do what it is asked."""
    from reswhis.backends.registry import ROWS

    rows = list(ROWS.values())
    there = [f"{row.name} ({row.note})" if row.extra else row.name for row in rows if not row.missing]
    yield Finding("recognisers", State.OK, ", ".join(there))
    for row in rows:
        if row.missing and row.name != case.settings.backend:
            yield Finding(row.name, State.SKIPPED, f"not installed; `{row.install}` adds it ({row.note})")
    yield from _chosen(case)


def _chosen(case: Case) -> Iterator[Finding]:
    from reswhis.backends import registry, selection
    from reswhis.core.errors import ConfigurationError
    from reswhis.settings.layers import backend_config

    # Devices have lines of their own, which say more.
    config = replace(backend_config(case.settings), device="auto", device_indices=(0,), compute_type="auto")
    name = selection.named(config)
    try:
        selection.check(config)
    except ConfigurationError as error:
        row = registry.ROWS.get(name)
        remedy = Remedy("This adds it", row.install) if row is not None and row.missing else _way_out(config)
        yield Finding(name, State.PROBLEM, str(error).rstrip("."), remedy)


def _way_out(config: BackendConfig) -> Remedy:
    """What would be taken."""
    from reswhis.backends import selection
    from reswhis.core.errors import ConfigurationError

    left = {
        "--model auto": replace(config, model="auto"),
        "--backend auto": replace(config, backend="auto"),
        "--backend auto --model auto": replace(config, backend="auto", model="auto"),
    }
    for flags, other in left.items():
        try:
            selection.check(other)
        except ConfigurationError:
            continue
        return Remedy("Leave the choice to reswhis", f"reswhis {flags}")
    return Remedy("Change one of these settings; this lists them", "reswhis --help-all")


def mlx(case: Case) -> Iterator[Finding]:
    on_apple = sys.platform == "darwin" and platform.machine() == "arm64"
    if find_spec("mlx") is None:
        if on_apple:
            what = "not installed, and without it the GPU is not used"
            yield Finding("MLX", State.WARNING, what, Remedy("This brings it", "uv sync --extra mlx-whisper"))
        return
    has_metal: bool = import_module("mlx.core").metal.is_available()
    found = f"MLX {version('mlx')}"
    if has_metal:
        yield Finding("MLX", State.OK, f"{found} on the GPU (Metal)")
    elif on_apple:
        what = f"{found} finds no Metal, as in a virtual machine: it computes on the CPU"
        yield Finding("MLX", State.WARNING, what, Remedy("Faster on a CPU", "reswhis --backend faster-whisper"))
    else:
        yield Finding("MLX", State.OK, f"{found} on the CPU: slow, but complete")


def torch(case: Case) -> Iterator[Finding]:
    """Not imported, which takes seconds."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return
    source = (Path(spec.origin).parent / "version.py").read_text("utf-8")
    yield judge_torch(version("torch"), source, with_libraries=_is_installed("nvidia-cublas-cu12"))


def judge_torch(torch: str, source: str, *, with_libraries: bool) -> Finding:
    """``source`` is of ``torch/version.py``; ``with_libraries``: this environment has CTranslate2's, too."""
    found = re.search(r"^cuda\b.*=\s*['\"](\d+)\.(\d+)", source, re.MULTILINE)
    if found is None:
        return Finding("PyTorch", State.OK, f"{torch}, for the CPU")
    what = f"{torch}, for CUDA {found[1]}.{found[2]}"
    if int(found[1]) == cuda.MAJOR or not with_libraries:
        return Finding("PyTorch", State.OK, what)
    both = f"{what}, beside CTranslate2's libraries for CUDA {cuda.MAJOR}: a process that loads both may crash"
    return Finding("PyTorch", State.WARNING, both, Remedy("Keep one of them, as this does", cuda.EXTRA))


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
