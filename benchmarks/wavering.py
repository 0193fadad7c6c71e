"""Words that each policy loses and says twice with a recogniser that wavers from decode to decode.

Needs no model and no network. The policy ``endpoint`` decodes every word
once at its end, so what it loses is what the recogniser does not hear. Then the share of what people repeat ("zero zero
eight") that comes out otherwise than it was said when word times move, by how far one word begins after another.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from common import TESTS, parser

sys.path.insert(0, str(TESTS))

from wavering_speaker import HARMLESS, PHRASES, WAYS, Noise, heard_wrong, stream

NOISES = {
    "realistic": Noise(),
    "nothing dropped": HARMLESS,
    "times alone (0.2 s)": Noise(0.2, 0, 0, 0, 0, 0, 0, 0, 0),
    "5 % wrong": replace(HARMLESS, wrong=0.05),
    "5 % split": replace(HARMLESS, split=0.05),
    "5 % merged": replace(HARMLESS, merged=0.05),
    "10 % of first words dropped": replace(HARMLESS, first_dropped=0.1),
}


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("streams", nargs="?", type=int, default=30, help="a third as many seeds for what is repeated")
    return options.parse_args(argv)


def main() -> None:
    streams = arguments().streams
    print(f"{streams} streams; per 1000 words")
    for name, noise in NOISES.items():
        for policy in ("local-agreement", "alignatt", "endpoint"):
            counts = [stream(seed, noise, policy) for seed in range(streams)]
            words = sum(count.words for count in counts)
            lost, doubled = (1000 * sum(getattr(c, kind) for c in counts) / words for kind in ("lost", "doubled"))
            print(f"{name:28} {policy:16} {words} words: {lost:5.2f} lost, {doubled:5.2f} doubled", flush=True)
    repetitions(seeds=max(1, streams // 3))


MOVES = {
    "each end by 0.12 s": (0.12, False),
    "each end by 0.25 s": (0.25, False),
    "all by 0.12 s": (0.12, True),
    "all by 0.17 s": (0.17, True),
    "all by 0.25 s": (0.25, True),
}
SPACINGS_S = 0.2, 0.3, 0.4, 0.5


def repetitions(seeds: int) -> None:
    print(
        f"\nrepetitions: {seeds * len(PHRASES)} each; % said wrong with words every {', '.join(map(str, SPACINGS_S))} s"
    )
    for moved, (most_s, together) in MOVES.items():
        for policy in ("local-agreement", "alignatt", "endpoint"):
            cells = []
            for way in WAYS:
                wrong = (heard_wrong(policy, way, each, most_s, together=together, seeds=seeds) for each in SPACINGS_S)
                shares = " ".join(f"{100 * len(texts) / (seeds * len(PHRASES)):3.0f}" for texts in wrong)
                cells.append(f"{way}: {shares}")
            print(f"{moved:20} {policy:16} {', '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
