"""A client with the generated stubs of one version, in a process of its own: all have their messages' names in common.

    python grpc_stub_client.py FOLDER_OF_STUBS MODULE FORM HOST:PORT SOUND_FILE

Prints a JSON object: the confirmed texts, those after them, and the status.
"""

import importlib
import json
import sys
import time

import grpc
import numpy as np
import soundfile

CHUNK, CHUNK_MS = 8000, 500
PACE_S = 0.05


def main(stubs, module, form, address, file):
    sys.path.insert(0, stubs)
    messages, services = importlib.import_module(f"{module}_pb2"), importlib.import_module(f"{module}_pb2_grpc")
    audio, _ = soundfile.read(file, dtype="int16")
    with grpc.insecure_channel(address) as channel:
        responses = method(services, channel, form)(requests(messages, module, audio))
        confirmed, others = [], []
        for response in responses:
            transcript = getattr(response, "confirmed", response)
            if transcript.text:
                confirmed.append([transcript.start_time_millis, transcript.end_time_millis, transcript.text])
            other = getattr(response, "hypothesis", None) or getattr(response, "interim", None)
            if other is not None and other.text:
                others.append(other.text)
        print(json.dumps({"confirmed": confirmed, "others": others, "code": responses.code().name}))


def method(services, channel, form):
    if form == "plain":
        return services.SpeechToTextStub(channel).StreamingRecognize
    stub = services.SpeechToTextWithHypothesisStub(channel)
    return getattr(stub, "StreamingRecognizeWithHypothesis", None) or stub.StreamingRecognize


def requests(messages, module, audio):
    floats = (audio / np.float32(32768)).astype("<f4")
    match module:
        case "v0_2":
            yield messages.StreamingRecognizeRequest(config=messages.StreamingConfig(chunk_duration_millis=CHUNK_MS))
        case "speech":
            config = messages.StreamingConfig(chunk_duration_millis=CHUNK_MS, encoding="AUDIO_ENCODING_PCM_S16LE")
            yield messages.StreamingRecognizeRequest(config=config)
    for start in range(0, len(audio), CHUNK):
        match module:
            case "first":
                yield messages.AudioChunk(samples=floats[start : start + CHUNK])
            case "v0_1":
                yield messages.AudioChunk(audio_bytes=floats[start : start + CHUNK].tobytes())
            case "v0_2" | "speech":
                data = (floats if module == "v0_2" else audio)[start : start + CHUNK].tobytes()
                yield messages.StreamingRecognizeRequest(audio_chunk=messages.AudioChunk(audio_bytes=data))
        time.sleep(PACE_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
