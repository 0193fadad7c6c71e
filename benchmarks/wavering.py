"""Words that each policy loses and says twice with a recogniser that wavers from decode to decode.

``python benchmarks/wavering.py [STREAMS]``; needs no model and no network. The policy ``endpoint`` decodes every word
once at its end, so what it loses is what the recogniser does not hear.
"""

import sys
from dataclasses import replace

from common import TESTS

sys.path.insert(0, str(TESTS))

from wavering import HARMLESS, Noise, stream

NOISES = {
    "realistic": Noise(),
    "nothing dropped": HARMLESS,
    "times alone (0.2 s)": Noise(0.2, 0, 0, 0, 0, 0, 0, 0, 0),
    "5 % wrong": replace(HARMLESS, wrong=0.05),
    "5 % split": replace(HARMLESS, split=0.05),
    "5 % merged": replace(HARMLESS, merged=0.05),
    "10 % of first words dropped": replace(HARMLESS, first_dropped=0.1),
}


def main() -> None:
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    print(f"{streams} streams; per 1000 words")
    for name, noise in NOISES.items():
        for policy in ("local-agreement", "alignatt", "endpoint"):
            counts = [stream(seed, noise, policy) for seed in range(streams)]
            words = sum(count.words for count in counts)
            lost, doubled = (1000 * sum(getattr(c, kind) for c in counts) / words for kind in ("lost", "doubled"))
            print(f"{name:28} {policy:16} {words} words: {lost:5.2f} lost, {doubled:5.2f} doubled", flush=True)


if __name__ == "__main__":
    main()
