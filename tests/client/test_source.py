"""A file as a source: at the speed of speech, in pieces."""

import asyncio

import numpy as np

from reswhis.client.source import FileSource

AUDIO = np.arange(10_000, dtype=np.int16)


def take(source, *, stop_after=None):
    async def run():
        loop, pieces = asyncio.get_running_loop(), []
        began = loop.time()
        async for piece in source.pieces():
            pieces.append((loop.time() - began, piece))
            if len(pieces) == stop_after:
                source.stop()
        return pieces, loop.time() - began

    return asyncio.run(run())


def test_the_pieces_are_the_file():
    pieces, _ = take(FileSource(AUDIO, piece=1600, speed=0))
    assert [len(piece) for _, piece in pieces] == [1600] * 6 + [400]
    assert np.concatenate([piece for _, piece in pieces]).tolist() == AUDIO.tolist()


def test_a_piece_comes_when_its_end_would_have_been_spoken():
    pieces, took = take(FileSource(AUDIO, piece=1600, speed=5))
    assert pieces[0][0] >= 0.1 / 5
    assert pieces[-1][0] >= len(AUDIO) / 16_000 / 5
    assert took < 5


def test_after_a_stop_nothing_comes_even_if_it_was_waited_for():
    pieces, took = take(FileSource(np.zeros(16_000 * 3600, np.int16), piece=160, speed=1), stop_after=3)
    assert len(pieces) == 3
    assert took < 5
