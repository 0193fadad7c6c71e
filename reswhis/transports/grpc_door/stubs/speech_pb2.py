"""The messages of speech.proto, made by proto/make_stubs.py: not to be edited."""

from google.protobuf import descriptor_pool, message_factory

DESCRIPTOR = descriptor_pool.Default().AddSerializedFile(
    b'\n\x0cspeech.proto\x12\x06speech"!'
    b'\n\nAudioChunk\x12\x13\n\x0baudio_by'
    b'tes\x18\x01 \x01(\x0c"Y\n\x0fStreamingCo'
    b'nfig\x12\x1d\n\x15chunk_duration_m'
    b"illis\x18\x01 \x01(\x05\x12'\n\x08encoding\x18"
    b'\x02 \x01(\x0e2\x15.speech.AudioEnco'
    b'ding"|\n\x19StreamingRecogni'
    b'zeRequest\x12)\n\x06config\x18\x01 \x01('
    b'\x0b2\x17.speech.StreamingConf'
    b'igH\x00\x12)\n\x0baudio_chunk\x18\x02 \x01('
    b'\x0b2\x12.speech.AudioChunkH\x00B'
    b'\t\n\x07payload"N\n\nTranscript'
    b'\x12\x19\n\x11start_time_millis\x18\x01 '
    b'\x01(\x05\x12\x17\n\x0fend_time_millis\x18\x02'
    b' \x01(\x05\x12\x0c\n\x04text\x18\x03 \x01(\t"h\n\x1aSt'
    b'reamingRecognizeResponse'
    b'\x12%\n\tconfirmed\x18\x01 \x01(\x0b2\x12.sp'
    b'eech.Transcript\x12#\n\x07inter'
    b'im\x18\x02 \x01(\x0b2\x12.speech.Transc'
    b'ript*k\n\rAudioEncoding\x12\x1e\n'
    b'\x1aAUDIO_ENCODING_UNSPECIF'
    b'IED\x10\x00\x12\x1c\n\x18AUDIO_ENCODING_'
    b'PCM_F32LE\x10\x01\x12\x1c\n\x18AUDIO_ENC'
    b'ODING_PCM_S16LE\x10\x022o\n\x0cSpe'
    b'echToText\x12_\n\x12StreamingRe'
    b'cognize\x12!.speech.Streami'
    b'ngRecognizeRequest\x1a".spe'
    b'ech.StreamingRecognizeRe'
    b'sponse(\x010\x01b\x06proto3'
)

AudioChunk = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["AudioChunk"])
StreamingConfig = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["StreamingConfig"])
StreamingRecognizeRequest = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["StreamingRecognizeRequest"])
Transcript = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["Transcript"])
StreamingRecognizeResponse = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["StreamingRecognizeResponse"])
AUDIO_ENCODING_UNSPECIFIED = 0
AUDIO_ENCODING_PCM_F32LE = 1
AUDIO_ENCODING_PCM_S16LE = 2
