"""The client's side of gRPC: what it says, what it makes of the answers, and which server is meant."""

import numpy as np
import pytest

from reswhis.cli.listen import add_arguments, chunk_s, protocol_of
from reswhis.cli.listen_grpc import grpc_target
from reswhis.cli.parser import Parser
from reswhis.client.grpc_session import GrpcSession
from reswhis.client.grpc_target import GrpcTarget, target_of
from reswhis.client.session import Line, Pause, Preview
from reswhis.core.errors import ConfigurationError
from reswhis.transports.grpc_door.stubs.speech_pb2 import StreamingRecognizeResponse, Transcript


def said(start, end, text):
    return Transcript(start_time_millis=start, end_time_millis=end, text=text)


def parsed(*arguments):
    parser = Parser("reswhis listen")
    add_arguments(parser)
    return parser.parse(arguments)


@pytest.mark.parametrize(
    ("encoding", "config", "audio"),
    [
        ("pcm_s16le", "0a0508f4031002", "120a0a08 0080 ff7f 0000 0100"),
        ("pcm_f32le", "0a0508f4031001", "12120a10 000080bf 00fe7f3f 00000000 00000038"),
    ],
)
def test_what_it_says_is_these_bytes(encoding, config, audio):
    session = GrpcSession(encoding, 500)
    assert session.start().SerializeToString() == bytes.fromhex(config)
    samples = np.array([-32768, 32767, 0, 1], np.int16)
    assert session.audio(samples).SerializeToString() == bytes.fromhex(audio)


def test_what_is_confirmed_is_a_line_and_what_may_follow_a_preview_of_the_same_update():
    session = GrpcSession("pcm_s16le", 500)
    both = StreamingRecognizeResponse(confirmed=said(0, 740, " It was"), interim=said(740, 900, " very"))
    assert session.receive(both) == [Line(0, 740, " It was"), Preview(740, 900, " very", with_line=True)]
    assert session.receive(StreamingRecognizeResponse(interim=said(740, 990, " very"))) == [Preview(740, 990, " very")]
    assert session.receive(StreamingRecognizeResponse()) == []


def test_a_gap_between_two_confirmed_texts_is_a_pause():
    session = GrpcSession("pcm_s16le", 500)
    texts = [said(0, 740, " a"), said(1239, 1300, " b"), said(1800, 1900, " c")]
    outputs = [output for text in texts for output in session.receive(StreamingRecognizeResponse(confirmed=text))]
    assert [type(output) for output in outputs] == [Line, Line, Pause, Line]


def test_what_was_lost_is_counted():
    session = GrpcSession("pcm_s16le", 500)
    assert str(session.lost("It is over")) == "It is over, before any audio was sent."
    session.audio(np.zeros(24_000, np.int16))
    assert str(session.lost("It is over")) == "It is over: 1.5 s of audio were sent."


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        (["--protocol", "grpc"], GrpcTarget("127.0.0.1", 50051)),
        (["--protocol", "grpc", "--host", "::1", "--port", "7"], GrpcTarget("::1", 7)),
        (["--url", "grpc://example.org"], GrpcTarget("example.org", 50051)),
        (["--url", "grpcs://example.org:443/"], GrpcTarget("example.org", 443, is_secure=True)),
    ],
)
def test_the_server_is_named_by_host_and_port_or_by_an_address(arguments, target):
    assert protocol_of(parsed(*arguments)) == "grpc"
    assert grpc_target(parsed(*arguments), "") == target
    assert chunk_s(parsed(*arguments)) == 0.5


@pytest.mark.parametrize("url", ["ws://localhost", "grpc://", "grpc://host/path", "grpc://host:port"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ConfigurationError, match=r"--url must be like grpc://127\.0\.0\.1:50051"):
        target_of(url)


def test_a_certificate_without_tls_is_refused(tmp_path):
    (tmp_path / "cert.pem").write_text("")
    with pytest.raises(ConfigurationError, match="begins with grpcs"):
        grpc_target(parsed("--protocol", "grpc", "--ca-file", str(tmp_path / "cert.pem")), "")
