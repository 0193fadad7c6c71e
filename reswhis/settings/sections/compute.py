"""What the model runs on: device, number format, threads, workers and batches."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .field import Group, Section, setting


class Compute(Section):
    device: Literal["auto", "cpu", "cuda"] = setting(Group.MODEL, "auto", "Where the model runs.")
    device_index: tuple[Annotated[int, Field(ge=0, le=255)], ...] = setting(
        Group.MODEL,
        (0,),
        "Which GPU, where there are several. With commas: several, one after the other for each worker.",
        min_length=1,
    )
    compute_type: Literal[
        "auto", "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16", "float32"
    ] = setting(Group.MODEL, "auto", "Number format of the weights; auto is int8 on a CPU, float16 on a GPU.")
    cpu_threads: int = setting(
        Group.MODEL, 0, "Threads of each worker; 0 is as many as there are cores for it.", ge=0, le=256
    )
    workers: int = setting(
        Group.MODEL,
        0,
        "Copies of the model that decode side by side; 0 is one on each GPU, and on a CPU what a short "
        "measurement at the start finds best.",
        ge=0,
        le=64,
        flags=("num-workers",),
    )
    max_batch: int = setting(
        Group.MODEL,
        0,
        "Windows of several clients that are decoded in one call at most; 0 is what the memory of a GPU "
        "allows, and on a CPU what does not keep the first of them waiting (faster-whisper).",
        ge=0,
        le=256,
    )
    max_wait_ms: int = setting(
        Group.MODEL,
        0,
        "How long a worker that has nothing to do lets a window wait for others to join it in one call.",
        ge=0,
        le=1000,
        unit="milliseconds",
    )
