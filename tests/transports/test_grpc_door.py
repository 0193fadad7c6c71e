"""The gRPC door on a real server: who comes in, what is answered, and what nobody can do to the others."""

import socket
from pathlib import Path

import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reswhis.app import make_app, make_service
from reswhis.core.errors import ConfigurationError
from reswhis.settings import Settings
from reswhis.transports.grpc_door.opening import require
from reswhis.transports.grpc_door.stubs.earlier_pb2 import Words, WordsWithHypothesis
from reswhis.transports.grpc_door.stubs.speech_pb2 import (
    AudioChunk,
    StreamingConfig,
    StreamingRecognizeRequest,
    StreamingRecognizeResponse,
)

from server_process import Process

grpc = pytest.importorskip("grpc", reason="grpcio is not installed: uv sync --extra grpc")
from grpc_health.v1 import health_pb2  # noqa: E402
from grpc_reflection.v1alpha import reflection_pb2  # noqa: E402

from grpc_client import METHOD, WITH_HYPOTHESIS, Call, addresses  # noqa: E402

KEY = "correct-horse"
LIMITS = ("--max-workers", "3", "--max-frame-bytes", "70000", "--idle-timeout-s", "1", "--idle-flush-s", "0.2")
SPEECH, _ = soundfile.read(Path(__file__).parents[1] / "recordings" / "flite-022.flac", dtype="int16", stop=48_000)
SECONDS = [SPEECH[start : start + 16_000] for start in range(0, len(SPEECH), 16_000)]
FLOATS = [(second / 32768).astype("<f4").tobytes() for second in SECONDS]


def config(**fields):
    return StreamingRecognizeRequest(config=StreamingConfig(**fields)).SerializeToString()


def chunk(data):
    return StreamingRecognizeRequest(audio_chunk=AudioChunk(audio_bytes=data)).SerializeToString()


V3 = [config(chunk_duration_millis=1000, encoding=2), *[chunk(second.tobytes()) for second in SECONDS]]
V2 = [config(chunk_duration_millis=1000), *map(chunk, FLOATS)]
V1 = [AudioChunk(audio_bytes=floats).SerializeToString() for floats in FLOATS]
WORDS = " w0 w1 w2"


def confirmed(said):
    return "".join(StreamingRecognizeResponse.FromString(message).confirmed.text for message in said)


@pytest.fixture(scope="module")
def server():
    process = Process("--backend", "fake", "--grpc", "--ports", "0", "0", "--api-key", KEY, *LIMITS).ready()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(addresses(server)[0]) as channel:
        yield channel


def call(channel, method=METHOD):
    return Call(channel, method, key=KEY)


def test_three_versions_at_once_on_one_port_get_their_own_answers(channel):
    calls = [call(channel), call(channel, WITH_HYPOTHESIS), call(channel)]
    for messages in zip(V3, V2, [b"", *V1], strict=True):
        for one, message in zip(calls, messages, strict=True):
            one.say(message)
    v3, v2, v1 = [one.finish().rest() for one in calls]
    assert confirmed(v3) == WORDS
    assert "".join(WordsWithHypothesis.FromString(message).confirmed.text for message in v2) == WORDS
    assert "".join(Words.FromString(message).text for message in v1) == WORDS
    assert [one.status for one in calls] == [("OK", "")] * 3


def test_every_port_is_the_same_server(server):
    first, second = addresses(server)
    assert first != second
    with grpc.insecure_channel(second) as channel:
        assert confirmed(call(channel).say(*V3).finish().rest()) == WORDS


def test_more_streams_than_this_door_takes_are_refused_and_the_next_is_taken_when_one_has_gone(channel):
    there = [call(channel) for _ in range(3)]
    assert all(one.is_taken() for one in there)
    assert call(channel).status == ("RESOURCE_EXHAUSTED", "this server has as many streams as it takes")
    for one in there:
        one.cancel()
    retried = ["RESOURCE_EXHAUSTED"]
    while retried[-1] == "RESOURCE_EXHAUSTED":  # until the server has heard that they went
        retried.append(call(channel).say(V3[0]).finish().status[0])
    assert retried[-1] == "OK"


def test_who_says_nothing_for_too_long_is_told_so(channel):
    silent = call(channel).say(*V3[:2])
    assert confirmed(silent.rest()) == " w0"  # after the pause, for which nobody asked
    assert silent.status == ("DEADLINE_EXCEEDED", "nothing was sent for 1 s")


def test_a_message_that_is_too_large_ends_its_own_stream_alone(channel):
    large, other = call(channel).say(chunk(bytes(80_000))), call(channel).say(*V3)
    assert large.status[0] == "RESOURCE_EXHAUSTED"
    assert confirmed(other.finish().rest()) == WORDS


def test_a_wrong_message_is_answered_after_the_words_of_the_audio_before_it(channel):
    wrong = call(channel).say(*V3, V3[0])
    assert confirmed(wrong.rest()) == WORDS
    assert wrong.status == ("INVALID_ARGUMENT", "Only audio_chunk messages are allowed after the initial config")


def test_tools_find_the_service_and_how_it_is(channel):
    ask = channel.unary_unary("/grpc.health.v1.Health/Check")
    for name in ("", "speech.SpeechToText"):
        answer = ask(health_pb2.HealthCheckRequest(service=name).SerializeToString())
        assert health_pb2.HealthCheckResponse.FromString(answer).status == health_pb2.HealthCheckResponse.SERVING
    questions = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="speech.SpeechToText"),
    ]
    listed, file = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")(
        question.SerializeToString() for question in questions
    )
    services = reflection_pb2.ServerReflectionResponse.FromString(listed).list_services_response.service
    assert {service.name for service in services} >= {"speech.SpeechToText", "grpc.health.v1.Health"}
    found = reflection_pb2.ServerReflectionResponse.FromString(file).file_descriptor_response.file_descriptor_proto
    assert len(found) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([METHOD, WITH_HYPOTHESIS, "/speech.SpeechToText/Nothing"]),
    st.lists(st.one_of(st.binary(max_size=64), st.sampled_from([V3[0], V3[1], V1[0], b""])), max_size=5),
)
def test_whatever_is_sent_there_is_a_status(server, channel, method, messages):
    said = call(channel, method).say(*messages).finish()
    said.rest()
    assert said.status[0] in {"OK", "INVALID_ARGUMENT", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED"}
    assert "Traceback" not in server.text and " ERROR " not in server.text


def test_after_all_that_the_next_is_served(channel):
    assert confirmed(call(channel).say(*V3).finish().rest()) == WORDS


def test_a_port_that_is_taken_is_refused_before_anything_begins():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        given = Settings(backend="fake", grpc=True, ports=(port,))
        with pytest.raises(ConfigurationError, match=rf"127\.0\.0\.1 port {port} cannot be listened on for gRPC"):
            make_app(given, make_service(given))


def test_without_the_extra_the_refusal_has_the_one_command():
    with pytest.raises(ConfigurationError, match="gRPC is not installed: run `uv sync --extra grpc`"):
        require(["no_such_package_at_all"])


def test_with_tls_and_when_the_server_stops_every_stream_gets_its_last_words(tmp_path):
    server = Process(
        "--backend", "fake", "--grpc", "--ports", "0", "--https", env={"XDG_STATE_HOME": str(tmp_path)}
    )  # fmt: skip
    assert server.says("ready: fake"), server.text
    (authority,) = tmp_path.rglob("certificate.pem")
    trusted = grpc.ssl_channel_credentials(authority.read_bytes())
    with grpc.secure_channel(addresses(server)[0], trusted) as channel:
        one = Call(channel).say(*V3)
        assert "w0" in confirmed([one.next(), one.next()])
        server.interrupt()
        said = one.rest()
        assert confirmed(said).endswith("w2")
        assert one.status == ("UNAVAILABLE", "the server stops")
    assert server.wait() == 0
    assert "Traceback" not in server.text
