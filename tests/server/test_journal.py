"""The journal that readers follow: in the order in which things were said, however late they look."""

import asyncio

from reswhis.core.events import Closed, Committed, Reason, SpeechStarted, SpeechStopped, Tentative
from reswhis.core.types import Word
from reswhis.server.journal import Journal

WORDS = (Word(0.0, 0.5, " how", 1.0),)


def read(*said):
    """What a reader gets that looks only when all was said; each is told at a later place in the audio."""
    journal = Journal()
    for audio, event in enumerate([*said, Closed()]):
        journal.append(event, audio)

    async def follow():
        return [(entry.event, entry.audio) async for entry in journal.follow()]

    return asyncio.run(follow())


def test_a_late_reader_gets_tentative_words_where_they_were_said():
    said = [SpeechStarted(1, 0.0), Tentative(1, WORDS), SpeechStopped(1, 0.6)]
    assert [event for event, _ in read(*said)] == [*said, Closed()]


def test_the_place_in_the_audio_never_goes_back():
    said = [Tentative(1, WORDS), SpeechStopped(1, 0.6), Tentative(1, WORDS), SpeechStarted(2, 0.7)]
    places = [audio for _, audio in read(*said)]
    assert places == sorted(places) and len(places) == 4


def test_tentative_words_that_no_longer_hold_are_not_read():
    committed = Committed(1, WORDS, Reason.AGREEMENT)
    assert [event for event, _ in read(Tentative(1, WORDS), committed)] == [committed, Closed()]
