"""The same as gpu_worker.py with PyTorch's Whisper, for a GPU for which CTranslate2's CUDA 12 libraries cannot be had.

Needs torch, transformers and NumPy, and this repository's files. Takes a shape instead of a model's directory, and
makes its network in memory. Decodes greedily, step by step, without word times, with transformers' own layers and
nothing compiled: its figures say less than CTranslate2's would. Called by `gpu.py --engine torch`, or by hand:

    python3 benchmarks/gpu_torch.py large-v3-turbo WINDOWS.npz
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from gpu_worker import BATCHES, LANGUAGE, ROOT, find_reswhis, many, median_s, windows

if TYPE_CHECKING:
    import torch

    from reswhis.core.types import Window

BUILD = ROOT / "tests" / "models" / "whisper-micro" / "build.py"
WIDE = ("large-v3-turbo", "large-v3")
"""With 128 mel bins."""
MOST_TOKENS = 200
NAMES = (
    (r"^(encoder|decoder)\.", r"model.\1."),
    (r"\.blocks\.", ".layers."),
    (r"\.cross_attn_ln\.", ".encoder_attn_layer_norm."),
    (r"\.attn_ln\.", ".self_attn_layer_norm."),
    (r"\.mlp_ln\.", ".final_layer_norm."),
    (r"\.cross_attn\.", ".encoder_attn."),
    (r"\.attn\.", ".self_attn."),
    (r"\.query\.", ".q_proj."),
    (r"\.key\.", ".k_proj."),
    (r"\.value\.", ".v_proj."),
    (r"\.out\.", ".out_proj."),
    (r"\.mlp\.0\.", ".fc1."),
    (r"\.mlp\.2\.", ".fc2."),
    (r"\.(ln_post|ln)\.", ".layer_norm."),
    (r"\.positional_embedding$", ".embed_positions.weight"),
    (r"\.token_embedding\.", ".embed_tokens."),
)
"""Of parameters: openai-whisper's, and what transformers calls them."""


def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("whisper_micro_build", BUILD)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look for it there
    spec.loader.exec_module(module)
    return module


def named(name: str) -> str:
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    return name


class Recogniser:
    def __init__(self, shape: str, device: str) -> None:
        import torch
        import transformers

        from reswhis.backends.log_mel import LogMel

        build = builder()
        weights, dims, _ = build.load("v3" if shape in WIDE else "v2")
        factor, encoder_layers, decoder_layers = build.SHAPES[shape]
        if factor > 1:
            weights, dims = build.widen(weights, dims, factor)
        if encoder_layers:
            weights, dims = build.deepen(weights, dims, encoder_layers, decoder_layers)
        languages = [*build.LANGUAGES, *(["yue"] if dims.n_vocab == 51866 else [])]
        specials = build.special_tokens(languages)
        self._end = build.FIRST_SPECIAL
        names = ("startoftranscript", LANGUAGE, "transcribe", "notimestamps")
        self._prompt = [self._end + specials.index(f"<|{name}|>") for name in names]
        config = transformers.WhisperConfig(
            vocab_size=dims.n_vocab, num_mel_bins=dims.n_mels, d_model=dims.n_audio_state,
            encoder_layers=dims.n_audio_layer, encoder_attention_heads=dims.n_audio_head,
            decoder_layers=dims.n_text_layer, decoder_attention_heads=dims.n_text_head,
            encoder_ffn_dim=4 * dims.n_audio_state, decoder_ffn_dim=4 * dims.n_text_state,
            max_source_positions=dims.n_audio_ctx, max_target_positions=dims.n_text_ctx,
        )  # fmt: skip
        self._torch = torch
        self.number = torch.float16 if device == "cuda" else torch.float32
        self.device = device
        model = transformers.WhisperForConditionalGeneration(config)
        state = {named(name): torch.from_numpy(np.ascontiguousarray(value)) for name, value in weights.items()}
        state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
        model.load_state_dict(state)
        self._model = model.to(device, self.number).eval()
        self._log_mel = LogMel(dims.n_mels)

    def features(self, some: list[Window]) -> torch.Tensor:
        stacked = np.stack([self._log_mel(window.audio) for window in some])
        return self._torch.from_numpy(stacked).to(self.device, self.number)

    def encode(self, features: torch.Tensor) -> torch.Tensor:
        with self._torch.inference_mode():
            encoded = self._model.model.encoder(features).last_hidden_state
            self._wait()
            return encoded

    def generate(self, encoded: torch.Tensor) -> list[list[int]]:
        torch = self._torch
        with torch.inference_mode():
            ids = torch.tensor([self._prompt] * len(encoded), device=self.device)
            ended = torch.zeros(len(encoded), dtype=torch.bool, device=self.device)
            said, cache = [], None
            for _ in range(MOST_TOKENS):
                out = self._model(
                    encoder_outputs=(encoded,), decoder_input_ids=ids, past_key_values=cache, use_cache=True
                )
                cache, ids = out.past_key_values, out.logits[:, -1:, : self._end + 1].argmax(-1)
                ended |= ids[:, 0] == self._end
                said.append(ids[:, 0].masked_fill(ended, self._end))
                if bool(ended.all()):
                    break
            tokens = torch.stack(said, 1).cpu().tolist()
        return [[token for token in row if token != self._end] for row in tokens]

    def _wait(self) -> None:
        if self.device == "cuda":
            self._torch.cuda.synchronize()

    def memory_mib(self) -> float:
        return self._torch.cuda.max_memory_allocated() / 2**20 if self.device == "cuda" else float("nan")

    def name(self) -> str:
        import transformers

        where = self._torch.cuda.get_device_name() if self.device == "cuda" else "CPU"
        torch, layers = self._torch.__version__, transformers.__version__
        return f"{where}, torch {torch} with transformers {layers} IN PLACE OF CTranslate2, {self.number}"


def measure(args: argparse.Namespace) -> dict[str, object]:
    some = windows(args.windows, "full")
    recogniser = Recogniser(args.shape, args.device)
    alone = [recogniser.generate(recogniser.encode(recogniser.features([window])))[0] for window in some]
    rows = []
    for batch in args.batches:
        chosen = many(some, batch)
        features = recogniser.features(chosen)
        encoded = recogniser.encode(features)
        texts = recogniser.generate(encoded)
        log_mel_s = median_s(lambda chosen=chosen: recogniser.features(chosen), args.rounds)
        encode_s = median_s(lambda features=features: recogniser.encode(features), args.rounds)
        generate_s = median_s(lambda encoded=encoded: recogniser.generate(encoded), args.rounds)
        rows.append(
            {
                "batch": batch, "took_s": log_mel_s + encode_s + generate_s, "log_mel_s": log_mel_s,
                "encode_s": encode_s, "generate_s": generate_s, "align_s": float("nan"),
                "same": sum(text == alone[n % len(alone)] for n, text in enumerate(texts)),
                "tokens": sum(map(len, texts)) / batch, "memory_mib": recogniser.memory_mib(),
            }
        )  # fmt: skip
        print(f"batch of {batch}: {1000 * float(rows[-1]['took_s']):.1f} ms", file=sys.stderr, flush=True)
    return {"device": recogniser.name(), "audio_s": sum(len(w.audio) for w in some) / 16_000 / len(some), "rows": rows}


def arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("shape")
    options.add_argument("windows", type=Path)
    options.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    options.add_argument("--batches", type=int, nargs="+", default=list(BATCHES))
    options.add_argument("--rounds", type=int, default=5)
    return options.parse_args()


def main() -> None:
    args = arguments()
    find_reswhis()
    import torch

    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("There is no GPU that PyTorch can use here: not measured.")
    begun = time.monotonic()
    found = measure(args)
    print(f"took {time.monotonic() - begun:.0f} s", file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
