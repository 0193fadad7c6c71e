"""Whether this machine has memory for another model, and whether it was memory that loading one lacked."""

from __future__ import annotations

from pathlib import Path

KEPT_FREE = 0.1
"""Part of all memory that stays free: the system, other programs and the sessions have needs of their own."""
OUT_OF_MEMORY = ("out of memory", "bad_alloc", "failed to allocate", "unable to allocate", "cannot allocate")
"""What CTranslate2, PyTorch, MLX and the C++ library say, where their exception is of no class of its own."""


def weights_bytes(model: Path) -> int:
    """Of the files in a model's directory: what loading it takes, about; on a GPU too, for a moment."""
    return sum(file.stat().st_size for file in model.iterdir() if file.is_file())


def total_bytes() -> int:
    """Of this machine, without that of its GPUs."""
    import psutil  # type: ignore[import-untyped]

    return int(psutil.virtual_memory().total)


def is_short(needs: int = 0) -> bool:
    """Whether memory would be short with ``needs`` bytes less of it. That of a GPU is not looked at."""
    import psutil

    memory = psutil.virtual_memory()
    return bool(memory.available - needs < KEPT_FREE * memory.total)


def is_out_of_memory(error: BaseException) -> bool:
    """Also where it is the cause of another."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or any(words in str(cause).lower() for words in OUT_OF_MEMORY):
            return True
        cause = cause.__cause__
    return False
