"""Transcripts as text and subtitles: what is asked of each format, and what must hold whatever was said."""

import json
import re
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reswhis.core.transcript import FinalUtterance, Transcript
from reswhis.core.types import Word
from reswhis.transports.subtitles import FORMATS, LINE, LONGEST_MS, SHORTEST_MS, cues

TIME = r"(\d\d+):([0-5]\d):([0-5]\d)%s(\d{3})"
SRT_TIMES = re.compile(f"{TIME % ','} --> {TIME % ','}")
VTT_TIMES = re.compile(rf"{TIME % '[.]'} --> {TIME % '[.]'}")


def spoken(text, start=0.0, each=0.4, language="en"):
    """An utterance with a word for each in ``text``, or for each character where there are no spaces."""
    pieces = [" " + word for word in text.split()] if language in ("en", "de") else list(text)
    words = (Word(start + i * each, start + (i + 1) * each, piece, 0.9) for i, piece in enumerate(pieces))
    return FinalUtterance(tuple(words), language)


def transcript(*utterances, language="en"):
    return Transcript(utterances, max((u.end for u in utterances), default=1.0), language)


def lines_of(*utterances):
    return [cue.lines for cue in cues(transcript(*utterances))]


SHORT = transcript(spoken("Hello there."), spoken("5 < 6 & so on", start=3661.5))


def test_srt_has_numbers_commas_and_a_blank_line_after_each_cue():
    assert FORMATS["srt"](SHORT) == (
        "1\n00:00:00,000 --> 00:00:01,000\nHello there.\n\n2\n01:01:01,500 --> 01:01:03,900\n5 < 6 & so on\n\n"
    )


def test_vtt_has_its_header_and_escapes_what_would_be_markup():
    assert FORMATS["vtt"](SHORT) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nHello there.\n\n"
        "01:01:01.500 --> 01:01:03.900\n5 &lt; 6 &amp; so on\n\n"
    )


def test_txt_has_a_line_and_tsv_a_row_for_each_utterance():
    assert FORMATS["txt"](SHORT) == "Hello there.\n5 < 6 & so on\n"
    assert FORMATS["tsv"](SHORT) == ("start\tend\ttext\n0\t800\tHello there.\n3661500\t3663900\t5 < 6 & so on\n")


def test_json_is_whispers_object():
    document = json.loads(FORMATS["json"](transcript(spoken("Grüß dich.", language="de"), language="de")))
    assert document == {
        "text": "Grüß dich.",
        "language": "de",
        "duration": 0.8,
        "segments": [
            {
                "id": 0,
                "start": 0.0,
                "end": 0.8,
                "text": "Grüß dich.",
                "words": [
                    {"word": " Grüß", "start": 0.0, "end": 0.4, "probability": 0.9},
                    {"word": " dich.", "start": 0.4, "end": 0.8, "probability": 0.9},
                ],
            }
        ],
    }


def test_where_nothing_was_said_each_format_is_valid_and_empty():
    assert {name: write(Transcript(duration=3.0)) for name, write in FORMATS.items()} == {
        "txt": "",
        "srt": "",
        "vtt": "WEBVTT\n\n",
        "tsv": "start\tend\ttext\n",
        "json": '{\n  "text": "",\n  "language": null,\n  "duration": 3.0,\n  "segments": []\n}\n',
    }


def test_an_arrow_in_the_text_is_no_arrow_of_the_format():
    said = transcript(spoken("press --> or ---> twice"))
    assert FORMATS["srt"](said).count("-->") == FORMATS["vtt"](said).count("-->") == 1
    assert "press -> or -> twice" in FORMATS["srt"](said)
    assert "press --&gt; or ---&gt; twice" in FORMATS["vtt"](said)


def test_a_break_within_a_word_breaks_no_line():
    said = transcript(FinalUtterance((Word(0, 1, " one\n\nWEBVTT"), Word(1, 2, " two\u2028\tthree\0"))))
    assert FORMATS["txt"](said) == "one  WEBVTT two  three\n"
    assert cues(said)[0].lines == ("one  WEBVTT two  three",)


def test_a_long_utterance_is_divided_after_its_sentences():
    assert lines_of(
        spoken(
            "It was the best of times, it was the worst of times. It was the age of wisdom, it was the age of "
            "foolishness. There was a king with a large jaw and a queen with a plain face.",
            each=0.2,
        )
    ) == [
        ("It was the best of times,", "it was the worst of times."),
        ("It was the age of wisdom,", "it was the age of foolishness."),
        ("There was a king with a large", "jaw and a queen with a plain face."),
    ]


def test_what_fits_is_not_divided():
    assert lines_of(spoken("No. Not at all.")) == [("No. Not at all.",)]


def test_a_long_pause_divides():
    words = (Word(0, 0.5, " Wait."), Word(4, 4.5, " Now."))
    assert lines_of(FinalUtterance(words, "en")) == [("Wait.",), ("Now.",)]


def test_without_spaces_a_line_ends_between_characters_but_not_in_a_latin_word():
    [first, second] = lines_of(
        spoken("今天天气很好我们一起去公园散步吧用Whisper听写，然后大家回家吃饭了", each=0.1, language="zh")
    )[0]
    assert first + second == "今天天气很好我们一起去公园散步吧用Whisper听写，然后大家回家吃饭了"
    assert "Whisper" in first or "Whisper" in second


def test_a_mark_stays_with_its_letter_where_there_are_no_spaces():
    for line in (line for lines in lines_of(spoken("กี่" * 60, each=0.1, language="th")) for line in lines):
        assert not unicodedata.category(line[0]).startswith("M")


def test_text_without_the_spaces_that_its_language_has_is_divided_all_the_same():
    assert len(lines_of(FinalUtterance(tuple(Word(i / 9, i / 9 + 0.1, "好") for i in range(90)), "en"))) > 1


@pytest.mark.parametrize(
    ("language", "said", "text"), [("en", ("One.", "Two."), "One. Two."), ("zh", ("一。", "二。"), "一。二。")]
)
def test_utterances_join_as_their_language_does(language, said, text):
    assert Transcript(tuple(FinalUtterance((Word(0, 1, each),), language) for each in said)).text == text


def test_a_cue_stays_long_enough_to_be_read_where_nothing_follows():
    yes, soon = FinalUtterance((Word(1, 1.2, " Yes."),)), FinalUtterance((Word(1.7, 2.0, " No."),))
    times = [(cue.start, cue.end) for cue in cues(Transcript((yes, soon), 9.0))]
    assert times == [(1000, 1700), (1700, 2700)]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    [" the", " unbelievably", ",", ".", " -->", "-", "->", "\n\n", " <b>", "&amp;", "好", "。", " " + "x" * 60, "กี่"]
)


@st.composite
def transcripts(draw):
    at, utterances = 0.0, []
    for _ in range(draw(st.integers(0, 3))):
        words = []
        for text in draw(st.lists(TEXTS, min_size=1, max_size=30)):
            at += draw(st.sampled_from([0.0, 0.0, 0.01, 0.3, 2.0]))
            length = draw(st.sampled_from([0.0, 0.0004, 0.2, 0.5, 9.0]))
            words.append(Word(at, at + length, text))
            at += length
        utterances.append(FinalUtterance(tuple(words), draw(st.sampled_from([None, "en", "zh", "th"]))))
    return Transcript(tuple(utterances), at + draw(st.sampled_from([0.0, 3.0])), "en")


def ms(hours, minutes, s, thousandths):
    return ((int(hours) * 60 + int(minutes)) * 60 + int(s)) * 1000 + int(thousandths)


def is_break(character):
    return unicodedata.category(character) in ("Cc", "Zl", "Zp")


def columns(line):
    shown = [c for c in line if not unicodedata.combining(c) and unicodedata.category(c) != "Mn"]
    return len(shown) + sum(unicodedata.east_asian_width(c) in "WF" for c in shown)


def letters(text):
    """What is left without anything that a line break or an arrow may have changed."""
    return "".join(c for c in text if not c.isspace() and c not in "->" and unicodedata.category(c) != "Cc")


@given(transcripts())
def test_cues_are_in_order_never_overlap_and_last_neither_too_long_nor_no_time(said):
    shown = cues(said)
    assert all(0 <= cue.start < cue.end for cue in shown)
    assert all(cue.end - cue.start <= max(LONGEST_MS, SHORTEST_MS) for cue in shown)
    assert all(before.end <= after.start for before, after in pairwise(shown))


@given(transcripts())
def test_a_cue_has_one_or_two_lines_of_bounded_width_and_nothing_is_lost(said):
    shown = cues(said)
    single = {"".join(" " if is_break(c) else c for c in w.text).strip() for u in said.utterances for w in u.words}
    for line in (line for cue in shown for line in cue.lines):
        assert line == line.strip() != ""
        assert columns(line) <= LINE or line in single
    assert all(1 <= len(cue.lines) <= 2 for cue in shown)
    words = "".join(word.text for utterance in said.utterances for word in utterance.words)
    assert letters("".join(line for cue in shown for line in cue.lines)) == letters(words)


@given(transcripts())
def test_subtitle_files_read_back_as_the_cues_they_were_written_from(said):
    shown = cues(said)
    header, *vtt = FORMATS["vtt"](said).removesuffix("\n\n").split("\n\n")
    srt = [block for block in FORMATS["srt"](said).removesuffix("\n\n").split("\n\n") if block]
    assert header == "WEBVTT" and len(vtt) == len(srt) == len(shown)
    for number, (cue, in_srt, in_vtt) in enumerate(zip(shown, srt, vtt, strict=True), 1):
        count, srt_times, *srt_lines = in_srt.split("\n")
        vtt_times, *vtt_lines = in_vtt.split("\n")
        assert int(count) == number
        for found in (SRT_TIMES.fullmatch(srt_times), VTT_TIMES.fullmatch(vtt_times)):
            assert (ms(*found.groups()[:4]), ms(*found.groups()[4:])) == (cue.start, cue.end)
        assert len(srt_lines) == len(vtt_lines) == len(cue.lines)
        assert not any("-->" in line for line in (*srt_lines, *vtt_lines))
        assert not any("<" in line or ">" in line for line in vtt_lines)
        unescaped = [line.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") for line in vtt_lines]
        assert tuple(unescaped) == cue.lines


@given(transcripts())
def test_every_format_is_text_with_line_feeds_alone(said):
    for write in FORMATS.values():
        text = write(said)
        assert text.encode() == text.replace("\r", "").encode() and not text.startswith("\ufeff")
    assert json.loads(FORMATS["json"](said))["text"] == said.text
    assert all(row.count("\t") == 2 for row in FORMATS["tsv"](said).split("\n")[:-1])
