from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AudioEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIO_ENCODING_UNSPECIFIED: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_PCM_F32LE: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_PCM_S16LE: _ClassVar[AudioEncoding]
AUDIO_ENCODING_UNSPECIFIED: AudioEncoding
AUDIO_ENCODING_PCM_F32LE: AudioEncoding
AUDIO_ENCODING_PCM_S16LE: AudioEncoding

class AudioChunk(_message.Message):
    __slots__ = ("audio_bytes",)
    AUDIO_BYTES_FIELD_NUMBER: _ClassVar[int]
    audio_bytes: bytes
    def __init__(self, audio_bytes: _Optional[bytes] = ...) -> None: ...

class StreamingConfig(_message.Message):
    __slots__ = ("chunk_duration_millis", "encoding")
    CHUNK_DURATION_MILLIS_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    chunk_duration_millis: int
    encoding: AudioEncoding
    def __init__(self, chunk_duration_millis: _Optional[int] = ..., encoding: _Optional[_Union[AudioEncoding, str]] = ...) -> None: ...

class StreamingRecognizeRequest(_message.Message):
    __slots__ = ("config", "audio_chunk")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_CHUNK_FIELD_NUMBER: _ClassVar[int]
    config: StreamingConfig
    audio_chunk: AudioChunk
    def __init__(self, config: _Optional[_Union[StreamingConfig, _Mapping]] = ..., audio_chunk: _Optional[_Union[AudioChunk, _Mapping]] = ...) -> None: ...

class Transcript(_message.Message):
    __slots__ = ("start_time_millis", "end_time_millis", "text")
    START_TIME_MILLIS_FIELD_NUMBER: _ClassVar[int]
    END_TIME_MILLIS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    start_time_millis: int
    end_time_millis: int
    text: str
    def __init__(self, start_time_millis: _Optional[int] = ..., end_time_millis: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class StreamingRecognizeResponse(_message.Message):
    __slots__ = ("confirmed", "interim")
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    INTERIM_FIELD_NUMBER: _ClassVar[int]
    confirmed: Transcript
    interim: Transcript
    def __init__(self, confirmed: _Optional[_Union[Transcript, _Mapping]] = ..., interim: _Optional[_Union[Transcript, _Mapping]] = ...) -> None: ...
