from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Audio(_message.Message):
    __slots__ = ("f32le",)
    F32LE_FIELD_NUMBER: _ClassVar[int]
    f32le: bytes
    def __init__(self, f32le: _Optional[bytes] = ...) -> None: ...

class Words(_message.Message):
    __slots__ = ("start_time_millis", "end_time_millis", "text")
    START_TIME_MILLIS_FIELD_NUMBER: _ClassVar[int]
    END_TIME_MILLIS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    start_time_millis: int
    end_time_millis: int
    text: str
    def __init__(self, start_time_millis: _Optional[int] = ..., end_time_millis: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class WordsWithHypothesis(_message.Message):
    __slots__ = ("confirmed", "hypothesis")
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    HYPOTHESIS_FIELD_NUMBER: _ClassVar[int]
    confirmed: Words
    hypothesis: Words
    def __init__(self, confirmed: _Optional[_Union[Words, _Mapping]] = ..., hypothesis: _Optional[_Union[Words, _Mapping]] = ...) -> None: ...
