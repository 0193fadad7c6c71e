"""``GET /info`` with the variables of reswhis 0.1 set."""

import httpx

BEFORE = {
    "backend": str,
    "model_size": str,
    "language": str,
    "sampling_rate": int,
    "minimum_chunk_size": float,
    "voice_activity_controller": bool,
    "use_voice_activity_detection": bool,
}


def info(server):
    fields = httpx.get(f"{server.url}/info").json()
    assert {name: type(fields[name]) for name in BEFORE} == BEFORE
    return {name: fields[name] for name in BEFORE}


def test_its_variables_are_in_force(start, micro):
    server = start(
        *("--workers", "1"),
        env={
            "BACKEND": "faster_whisper",
            "MODEL_SIZE": str(micro),
            "LANGUAGE": "en ",
            "SAMPLING_RATE": "16000  ",
            "MINIMUM_CHUNK_SIZE": "2",
            "USE_VOICE_ACTIVITY_CONTROLLER": "False",
            "USE_VOICE_ACTIVITY_DETECTION": "True ",
        },
    ).ready()
    assert info(server) == {
        "backend": "faster-whisper",
        "model_size": str(micro),
        "language": "en",
        "sampling_rate": 16_000,
        "minimum_chunk_size": 2.0,
        "voice_activity_controller": False,
        "use_voice_activity_detection": True,
    }
