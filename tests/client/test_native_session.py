"""The client's session of the native protocol: what the server's messages mean to it."""

import json

import numpy as np
import pytest

from reswhis.audio.pcm import AudioFormat
from reswhis.client.native import NativeSession
from reswhis.client.session import Finished, Line, ListenError, Notice, Pause, Preview, Request

SECOND = np.zeros(16_000, np.int16)
PLAIN = Request()


class Talk:
    """A session and the numbered messages of its server."""

    def __init__(self, request: Request = PLAIN, *, ready: bool = True) -> None:
        self.session = NativeSession(request)
        self.seq = 0
        if ready:
            assert self.hear("ready", model="tiny") == [] and self.session.ready

    def hear(self, type: str, *, audio_ms: int = 0, **fields: object) -> list:
        self.seq += 1
        return self.session.receive(json.dumps({"type": type, "seq": self.seq, "audio_ms": audio_ms} | fields))

    def final(self, text: str, **fields: object) -> list:
        return self.hear("final", start_ms=0, end_ms=10, text=text, **fields)


def test_start_says_what_was_chosen_and_leaves_the_rest_to_the_server():
    audio = AudioFormat("pcm_f32le", 44_100, 2)
    message = json.loads(NativeSession(Request(audio, language="de", partials=True)).start())
    assert message["audio"] == {"encoding": "pcm_f32le", "sample_rate": 44_100, "channels": 2}
    assert message["language"] == "de" and message["partials"] is True
    assert not {"model", "prompt"} & set(message)


@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le"])
def test_samples_arrive_as_they_were(encoding):
    samples = np.array([0, 1, -1, 32767, -32768], np.int16)
    data = NativeSession(Request(AudioFormat(encoding))).audio(samples)
    back = np.frombuffer(data, "<i2") if encoding == "pcm_s16le" else np.frombuffer(data, "<f4") * 32768
    assert back.tolist() == samples.tolist()


def test_texts_in_a_row_are_the_transcript():
    talk = Talk()
    outputs = [*talk.final(" so it"), *talk.final("'s"), *talk.final(" 10"), *talk.final("%")]
    assert "".join(output.text for output in outputs if isinstance(output, Line)) == " so it's 10%"


def test_a_partial_is_a_preview_and_an_utterances_end_a_pause():
    talk = Talk()
    assert talk.hear("partial", start_ms=0, end_ms=9, text=" how") == [Preview(0, 9, " how")]
    assert talk.hear("partial", text="") == [Preview(0, 0, "")]
    assert talk.hear("utterance", utterance=1) == [Pause()]


def test_a_partial_right_after_a_text_and_of_the_same_audio_is_of_the_same_update():
    talk = Talk()
    talk.final(" how", audio_ms=500)
    assert talk.hear("partial", start_ms=10, end_ms=20, text=" are", audio_ms=500) == [Preview(10, 20, " are", True)]
    talk.hear("partial", start_ms=10, end_ms=20, text=" art", audio_ms=500)
    talk.final(" are", audio_ms=700)
    assert talk.hear("partial", start_ms=20, end_ms=30, text=" you", audio_ms=800) == [Preview(20, 30, " you")]
    talk.final(" you", audio_ms=900)
    talk.hear("utterance", utterance=1, audio_ms=900)
    assert talk.hear("partial", start_ms=20, end_ms=30, text=" I", audio_ms=900) == [Preview(20, 30, " I")]


def test_finished_is_the_end_when_everything_has_arrived():
    talk = Talk()
    talk.session.audio(SECOND)
    talk.final(" a", audio_ms=900)
    assert json.loads(talk.session.finish()) == {"type": "finish"}
    assert talk.hear("finished", audio_ms=1000, finals=1) == [Finished()]


def test_a_text_that_did_not_arrive_is_noticed_at_the_end():
    talk = Talk()
    talk.session.finish()
    talk.final(" a")
    with pytest.raises(ListenError, match="Of the 2 texts .* 1 arrived"):
        talk.hear("finished", finals=2)


def test_audio_that_did_not_arrive_is_noticed_at_the_end():
    talk = Talk()
    talk.session.audio(np.tile(SECOND, 3))
    talk.session.finish()
    with pytest.raises(ListenError, match=r"early: 3\.0 s of audio were sent, .* 2\.0 s received"):
        talk.hear("finished", audio_ms=2000, finals=0)


def test_an_end_that_nobody_asked_for_is_no_success():
    talk = Talk()
    talk.session.audio(SECOND)
    with pytest.raises(ListenError, match="early"):
        talk.hear("finished", audio_ms=1000, finals=0)


def test_audio_that_is_decoded_no_more_is_told_at_once_and_at_the_end():
    talk = Talk()
    talk.session.finish()
    failed = {"code": "decode_failed", "message": "not decoded", "fatal": False, "start_ms": 0, "end_ms": 1240}
    assert talk.hear("error", **failed) == [Notice("not decoded: from 0.0 s to 1.2 s")]
    assert talk.hear("error", **failed, lost=True) == [Notice("not decoded: from 0.0 s to 1.2 s")]
    with pytest.raises(ListenError, match=r"missing is what was said from 0\.0 s to 1\.2 s\."):
        talk.hear("finished", finals=0)


def test_a_missing_message_is_noticed():
    talk = Talk()
    talk.seq += 2
    notice, line = talk.final(" a")
    assert isinstance(notice, Notice) and "missing between 1 and 4" in notice.text
    assert line == Line(0, 10, " a")
    assert talk.final(" b") == [Line(0, 10, " b")]


def test_a_refusal_is_told_in_the_servers_words():
    with pytest.raises(ListenError, match="refuses the session: this server has tiny"):
        Talk(ready=False).hear("error", code="unknown_model", message="this server has tiny", fatal=True)


def test_an_error_that_ends_the_session_says_what_was_received():
    talk = Talk()
    talk.session.audio(SECOND)
    talk.final(" a", audio_ms=400)
    with pytest.raises(ListenError, match=r"\(idle\): 1\.0 s .* 0\.4 s received"):
        talk.hear("error", code="idle_timeout", message="idle", fatal=True)


def test_an_error_that_is_not_fatal_and_a_warning_are_remarks():
    talk = Talk()
    assert talk.hear("error", code="decode_failed", message="not decoded", fatal=False) == [Notice("not decoded")]
    assert talk.hear("warning", code="lagging", message="behind", lag_ms=2300) == [Notice("behind")]


@pytest.mark.parametrize("message", ["hello", "[]", "{}", '{"type": 5}', '{"from": 0, "to": 1, "content": "a"}', b"\0"])
def test_what_is_no_message_of_ours_is_no_server_of_ours(message):
    with pytest.raises(ListenError, match="not a reswhis server"):
        NativeSession(Request()).receive(message)


def test_an_echo_is_no_server_of_ours():
    session = NativeSession(Request())
    with pytest.raises(ListenError, match="does not speak"):
        session.receive(session.start())


def test_a_text_without_times_is_an_error_and_not_passed_over():
    with pytest.raises(ListenError, match="type final"):
        Talk().hear("final", text=" a")


def test_a_message_of_a_later_version_is_passed_over():
    assert Talk().hear("mood", value="good") == []


def test_before_any_audio_a_lost_connection_needs_no_count():
    assert str(Talk().session.lost("The connection was lost")) == "The connection was lost, before any audio was sent."
