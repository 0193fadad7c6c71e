"""Where in the audio a network looked for each token: the path through its attention that never goes back.

Source: dynamic time warping, as openai-whisper has it. Numpy alone, without its compiled loop, which would be compiled
anew by every process, for seconds and with the interpreter's lock. Called by the recognisers that read attention
themselves; :mod:`.word_times` makes times of the path.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_SMOOTHING = 7
"""Steps of which the median is taken, against heads that look elsewhere for a moment."""


def attention_path(attention: npt.NDArray[np.float32], first: int) -> list[tuple[int, int]]:
    """Pairs of token and step, both never falling, from the first to the last of each.

    Args:
        attention: of every head that follows the audio, shape ``(heads, tokens, steps)``; each row is a distribution.
        first: the tokens before this one take part in the comparison of a step's tokens, not in the path.
    """
    spread = attention.std(axis=1, keepdims=True)
    # Where all tokens look alike there is nothing to tell them apart by.
    standard = (attention - attention.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
    return _warped(-_smoothed(standard[:, first:-1]).mean(axis=0))


def _smoothed(attention: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    half = _SMOOTHING // 2
    if attention.shape[-1] <= half:
        return attention
    padded = np.pad(attention, ((0, 0), (0, 0), (half, half)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _SMOOTHING, axis=-1)
    return np.partition(windows, half, axis=-1)[..., half]


def _warped(cost: npt.NDArray[np.float32]) -> list[tuple[int, int]]:
    """The cheapest path from the first row and column to the last ones.

    A row at a time: a path enters a row at some column and goes on to the right, so what it costs there is what the row
    costs so far, and the least that any entry before it has cost more than that.
    """
    rows, columns = cost.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    for row in range(rows):
        entered = np.minimum(total[row, :-1], total[row, 1:])
        so_far = np.cumsum(cost[row], dtype=np.float64)
        total[row + 1, 1:] = so_far + np.minimum.accumulate(entered - (so_far - cost[row]))
    row, column = rows, columns
    path: list[tuple[int, int]] = []
    while row > 0:
        path.append((row - 1, column - 1))
        aslant, up, left = total[row - 1, column - 1], total[row - 1, column], total[row, column - 1]
        if aslant <= min(up, left):
            row, column = row - 1, column - 1
        elif up < left:
            row -= 1
        else:
            column -= 1
    return path[::-1]
