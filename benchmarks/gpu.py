"""What a GPU does with batches: windows a second of whisper-micro in the shapes of larger models, and streams held.

    uv run python benchmarks/gpu.py [--shapes small large-v3-turbo large-v3] [--windows FILE.npz] [--models DIR]
        [--batches 1 2 4 8 16 32 64] [--context full|dynamic] [--json FILE] [--simulate]
    uv run python benchmarks/gpu.py --device cpu --shapes micro --batches 1 2 4 8     # the same on a CPU, in int8
    uv run python benchmarks/gpu.py --prepare FILE.npz [--folder DIR]                 # the windows alone, for elsewhere

The network of that shape costs what that Whisper costs and says what whisper-micro says, so times are real and the
text is known: the column "same" counts windows whose text in the batch is that of the window alone. The windows are
recordings of 2 to 10 s. "Encode", "generate" and "align" are CTranslate2's own calls for the whole batch, "all" is the
backend's `transcribe` with everything between them, and so the latency, since who is in a batch waits for all of it.
Streams are windows a second: one decode per second of each stream, with the GPU busy all the time. What queues and
paces make of it is told by --simulate, which puts the costs, as a line through the rows, into simulate.py.

Only gpu_worker.py goes to the GPU, with this repository's files, ctranslate2, tokenizers and NumPy; this script
makes models (build.py) and prints. Where nothing but these is installed, --windows takes what --prepare wrote
elsewhere. Where CTranslate2's CUDA 12 libraries cannot be had, --engine torch measures PyTorch's Whisper in its place
(gpu_torch.py, with transformers), without word times, and the table says so. Without a GPU it says that. Ten minutes
for three shapes on a GPU, of which most is making the models; two on two idle cores for `micro`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np

from gpu_worker import cuda_devices

HERE = Path(__file__).parent
BUILD = HERE.parent / "tests" / "models" / "whisper-micro" / "build.py"
RECORDINGS = HERE.parent / "tests" / "recordings"
SHAPES = ("micro", "base", "small", "medium", "large-v3-turbo", "large-v3")
WIDE = ("large-v3-turbo", "large-v3")
"""With 128 mel bins."""
SHORTEST_S, LONGEST_S = 2.0, 10.0
SIMULATED = (25, 50, 100, 150, 200, 300, 400)


@dataclass(frozen=True, slots=True)
class Row:
    """Seconds for a whole batch."""

    batch: int
    took_s: float
    same: int
    memory_mib: float
    log_mel_s: float
    encode_s: float
    generate_s: float
    align_s: float
    tokens: float
    """Of each window, on average."""

    @property
    def windows_per_s(self) -> float:
        return self.batch / self.took_s


@dataclass(frozen=True, slots=True)
class Line:
    """What a batch costs: a part that is there whatever is in it, and one for each window."""

    fixed_s: float
    per_window_s: float

    @classmethod
    def through(cls, rows: Sequence[Row]) -> Line:
        """By the least squares of what they are off in per cent, so that small batches count too; never below zero."""
        if len(rows) == 1:
            return cls(0.0, rows[0].took_s / rows[0].batch)
        weights = np.array([1 / row.took_s for row in rows])
        columns = np.array([[1.0, row.batch] for row in rows]) * weights[:, None]
        fixed, slope = np.linalg.lstsq(columns, np.ones(len(rows)), rcond=None)[0]
        return cls(max(0.0, float(fixed)), max(0.0, float(slope)))


def prepare(path: Path, folder: Path) -> None:
    """The recordings that are neither very short nor very long."""
    from common import recordings

    chosen = {
        f"{number:04}": row.audio
        for number, row in enumerate(recordings(folder))
        if SHORTEST_S <= len(row.audio) / 16_000 <= LONGEST_S
    }
    np.savez_compressed(path, **chosen)


def model_of(shape: str, models: Path, quantization: str) -> Path:
    """Made once in that folder."""
    generation = "v3" if shape in WIDE else "v2"
    out = models / f"{shape}-{generation}-{quantization}"
    if not (out / "preprocessor_config.json").exists():  # written last
        print(f"making {out}", file=sys.stderr, flush=True)
        options = ["--shape", shape, "--generation", generation, "--quantization", quantization]
        subprocess.run([sys.executable, BUILD, out, *options], check=True, stdout=sys.stderr)
    return out


def run_worker(args: argparse.Namespace, shape: str, windows: Path) -> dict[str, object]:
    """Raises SystemExit; why, the worker says."""
    common = ["--device", args.device, "--rounds", args.rounds, "--batches", *args.batches]
    if args.engine == "torch":
        command = [args.python, HERE / "gpu_torch.py", shape, windows, *common]
    else:
        model = model_of(shape, args.models, args.compute_type)
        command = [
            args.python, HERE / "gpu_worker.py", model, windows, *common, "--device-index", args.device_index,
            "--compute-type", args.compute_type, "--threads", args.threads, "--context", args.context,
        ]  # fmt: skip
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the shape of {shape} could not be measured here; why is said above")
    return dict(json.loads(done.stdout))


def rows_of(found: Mapping[str, object]) -> list[Row]:
    rows = found["rows"]
    assert isinstance(rows, list)
    return [Row(**row) for row in rows]


def table(rows: Sequence[Row]) -> str:
    head = (
        "batch", "log-mel, ms", "encode", "generate", "align", "all = latency, ms", "windows/s = streams",
        "× one by one", "same text", "GPU memory, MiB",
    )  # fmt: skip
    one = rows[0].windows_per_s
    lines = [head, ["---"] * len(head)] + [
        [
            str(row.batch),
            *(f"{1000 * part:.1f}" for part in (row.log_mel_s, row.encode_s, row.generate_s, row.align_s, row.took_s)),
            f"{row.windows_per_s:.1f}", f"{row.windows_per_s / one:.1f}", f"{row.same} of {row.batch}",
            f"{row.memory_mib:.0f}",
        ]
        for row in rows
    ]  # fmt: skip
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def conclusion(rows: Sequence[Row], line: Line) -> str:
    """What a stream that is decoded once a second can wait for is a second."""
    in_time = [row for row in rows if row.took_s <= 1.0]
    held = "no batch is decoded within a second"
    if in_time:
        best = max(in_time, key=lambda row: row.windows_per_s)
        held = f"{best.windows_per_s:.0f} streams at one decode per second, in batches of {best.batch}"
    return f"{held}; a batch takes {1000 * line.fixed_s:.1f} ms and {1000 * line.per_window_s:.2f} ms for each window"


def simulate(line: Line, most: int) -> str:
    """What simulate.py prints."""
    command = [
        sys.executable, HERE / "simulate.py", "--streams", *SIMULATED, "--max-batch", most, "--per-second-ms", 0,
        "--per-word-ms", 0, "--fixed-ms", 1000 * line.fixed_s, "--per-window-ms", 1000 * line.per_window_s,
    ]  # fmt: skip
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def arguments() -> argparse.Namespace:
    assert __doc__ is not None
    summary, _, details = __doc__.partition("\n\n")
    options = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--shapes", nargs="+", choices=SHAPES, default=["small", "large-v3-turbo", "large-v3"])
    options.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    options.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    options.add_argument("--engine", choices=("ctranslate2", "torch"), default="ctranslate2")
    options.add_argument("--device-index", type=int, default=0)
    options.add_argument("--compute-type", help="float16 on a GPU, int8 on a CPU, if not given")
    options.add_argument("--threads", type=int, default=0)
    options.add_argument("--context", choices=("full", "dynamic"), default="full")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--windows", type=Path, help="made by --prepare")
    options.add_argument("--prepare", type=Path, metavar="FILE.npz")
    options.add_argument("--folder", type=Path, default=RECORDINGS)
    options.add_argument("--models", type=Path, default=Path(tempfile.gettempdir()) / "reswhis-shapes")
    options.add_argument("--python", default=sys.executable, help="that the worker runs with")
    options.add_argument("--simulate", action="store_true")
    options.add_argument("--json", type=Path)
    args = options.parse_args()
    args.compute_type = args.compute_type or ("float16" if args.device == "cuda" else "int8")
    args.batches = sorted(args.batches)
    return args


def main() -> None:
    args = arguments()
    if args.prepare:
        prepare(args.prepare, args.folder)
        return
    is_here = args.engine == "ctranslate2" and args.python == sys.executable
    if args.device == "cuda" and is_here and not cuda_devices():
        sys.exit("There is no GPU that CTranslate2 can use here: not measured.")
    args.models.mkdir(parents=True, exist_ok=True)
    windows = args.windows or args.models / "windows.npz"
    if args.windows is None:
        prepare(windows, args.folder)
    print(date.today().isoformat())
    told: dict[str, object] = {"date": date.today().isoformat()}
    for shape in args.shapes:
        found = run_worker(args, shape, windows)
        rows = rows_of(found)
        line = Line.through(rows)
        print(f"\n## The shape of {shape}, {args.context} context: {found['device']}\n\n{table(rows)}")
        print(
            f"\na batch: {1000 * line.fixed_s:.1f} ms and {1000 * line.per_window_s:.2f} ms for each window", flush=True
        )
        if args.simulate:
            print(f"\n{simulate(line, rows[-1].batch)}", flush=True)
        told[shape] = {**found, "line": asdict(line)}
    if args.json:
        args.json.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
