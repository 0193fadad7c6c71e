"""Measures a Whisper model on CTranslate2, batch by batch: the part of `gpu.py` that travels to where the GPU is.

Needs ctranslate2, tokenizers, numpy and this repository's files, and nothing installed of reswhis itself. The windows
come as a file of arrays. Prints one JSON object. Called by `gpu.py`, or by hand:

    python3 benchmarks/gpu_worker.py MODEL_DIRECTORY WINDOWS.npz --device cuda --compute-type float16
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from reswhis.backends.faster_whisper import FasterWhisper
    from reswhis.core.types import Window

ROOT = Path(__file__).parents[1]
BATCHES = (1, 2, 4, 8, 16, 32, 64)
LANGUAGE = "en"


def find_reswhis() -> None:
    """Its sources are enough here; importing the package as such asks for what only an installed one has."""
    try:
        metadata.version("reswhis")
    except metadata.PackageNotFoundError:
        package = ModuleType("reswhis")
        package.__path__ = [str(ROOT / "reswhis")]
        sys.modules["reswhis"] = package


def load(args: argparse.Namespace, max_batch: int) -> FasterWhisper:
    from reswhis.backends.faster_whisper import MakeFasterWhisper

    return MakeFasterWhisper(
        args.model, args.device, (args.device_index,), args.compute_type, args.threads, max_batch=max_batch
    )(0)


def windows(path: Path, context: str) -> list[Window]:
    from reswhis.core.types import DecodeOptions, Window

    options = DecodeOptions(language=LANGUAGE, encoder_context=context)
    arrays = np.load(path)
    return [Window(n, 0, arrays[name], options) for n, name in enumerate(sorted(arrays.files))]


def many(some: Sequence[Window], count: int) -> list[Window]:
    """As many windows as are asked for, however few there are."""
    return [some[n % len(some)] for n in range(count)]


def median_s(work: Callable[[], object], rounds: int) -> float:
    """Of so many, after one that sets up what is set up on first use."""
    work()
    took = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


def parts(args: argparse.Namespace, some: Sequence[Window], batch: int) -> dict[str, float]:
    """Seconds of CTranslate2's own calls, with the full context; what is between them is the backend's."""
    import ctranslate2

    from reswhis.backends.log_mel import LogMel, content_frames

    model = ctranslate2.models.Whisper(
        str(args.model), device=args.device, device_index=args.device_index, compute_type=args.compute_type,
        intra_threads=args.threads, inter_threads=1,
    )  # fmt: skip
    log_mel, chosen = LogMel(model.n_mels), many(some, batch)
    features = np.stack([log_mel(window.audio) for window in chosen])
    view = ctranslate2.StorageView.from_array(features)
    prompt = _prompt(args.model)
    encoded = model.encode(view)

    def generate() -> list[list[int]]:
        results = model.generate(encoded, [prompt] * batch, beam_size=1, max_length=200)
        return [result.sequences_ids[0] for result in results]

    texts = [[token for token in tokens if token < prompt[0] - 1] for tokens in generate()]
    frames = [max(2, content_frames(window.audio)) for window in chosen]
    found = {
        "log_mel_s": median_s(lambda: [log_mel(window.audio) for window in chosen], args.rounds),
        # A GPU answers before it has done its work: what is copied back has been computed.
        "encode_s": median_s(lambda: model.encode(view, to_cpu=True), args.rounds),
        "generate_s": median_s(generate, args.rounds),
        "align_s": median_s(lambda: model.align(encoded, prompt[:-1], texts, frames), args.rounds),
        "tokens": sum(map(len, texts)) / batch,
    }
    model.unload_model()
    return found


def _prompt(model: Path) -> list[int]:
    import tokenizers

    ids = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    names = ("startoftranscript", LANGUAGE, "transcribe", "notimestamps")
    return [ids.token_to_id(f"<|{name}|>") for name in names]


def text_of(result: object) -> str:
    if isinstance(result, Exception):
        raise result
    return "".join(word.text for word in result.words)


def measure(args: argparse.Namespace) -> dict[str, object]:
    some = windows(args.windows, args.context)
    batches = [batch for batch in args.batches if batch <= args.most]
    backend = load(args, max(batches))
    alone = [text_of(backend.transcribe([window])[0]) for window in some]
    rows = []
    for batch in batches:
        chosen = many(some, batch)
        took_s = median_s(lambda chosen=chosen: backend.transcribe(chosen), args.rounds)
        together = [text_of(result) for result in backend.transcribe(chosen)]
        same = sum(text == alone[n % len(alone)] for n, text in enumerate(together))
        rows.append({"batch": batch, "took_s": took_s, "same": same, "memory_mib": gpu_memory(args)})
        print(f"batch of {batch}: {1000 * took_s:.1f} ms", file=sys.stderr, flush=True)
    backend.close()
    for row in rows:
        row.update(parts(args, some, int(row["batch"])))
    return {"device": device(args), "audio_s": sum(len(w.audio) for w in some) / 16_000 / len(some), "rows": rows}


# What it runs on.


def device(args: argparse.Namespace) -> str:
    import ctranslate2

    name = f"CTranslate2 {ctranslate2.__version__}, {args.compute_type}"
    if args.device == "cuda":
        return f"{_smi(args, 'name')}, driver {_smi(args, 'driver_version')}, {name}"
    return f"CPU, {args.threads or 'all'} threads, {name}"


def gpu_memory(args: argparse.Namespace) -> float:
    """In use on the whole GPU, MiB; NaN without one."""
    return float(_smi(args, "memory.used")) if args.device == "cuda" else float("nan")


def _smi(args: argparse.Namespace, field: str) -> str:
    command = ["nvidia-smi", f"--id={args.device_index}", f"--query-gpu={field}", "--format=csv,noheader,nounits"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def cuda_devices() -> int:
    import ctranslate2

    return int(ctranslate2.get_cuda_device_count())


def arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model", type=Path)
    options.add_argument("windows", type=Path)
    options.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    options.add_argument("--device-index", type=int, default=0)
    options.add_argument("--compute-type", default="float16")
    options.add_argument("--threads", type=int, default=0)
    options.add_argument("--context", choices=("full", "dynamic"), default="full")
    options.add_argument("--batches", type=int, nargs="+", default=list(BATCHES))
    options.add_argument("--most", type=int, default=max(BATCHES), help="windows in a batch")
    options.add_argument("--rounds", type=int, default=5)
    return options.parse_args()


def main() -> None:
    args = arguments()
    find_reswhis()
    if args.device == "cuda" and cuda_devices() == 0:
        sys.exit("There is no GPU that CTranslate2 can use here: not measured.")
    print(json.dumps(measure(args)))


if __name__ == "__main__":
    main()
