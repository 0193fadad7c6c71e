"""The messages of earlier.proto, made by proto/make_stubs.py: not to be edited."""

from google.protobuf import descriptor_pool, message_factory

# Not in the pool of all, which is what reflection shows.
DESCRIPTOR = descriptor_pool.DescriptorPool().AddSerializedFile(
    b'\n\rearlier.proto\x12\x0freswhis'
    b'.earlier"\x16\n\x05Audio\x12\r\n\x05f32'
    b'le\x18\x01 \x01(\x0c"I\n\x05Words\x12\x19\n\x11sta'
    b'rt_time_millis\x18\x01 \x01(\x05\x12\x17\n\x0f'
    b'end_time_millis\x18\x02 \x01(\x05\x12\x0c\n'
    b'\x04text\x18\x03 \x01(\t"l\n\x13WordsWith'
    b'Hypothesis\x12)\n\tconfirmed\x18'
    b'\x01 \x01(\x0b2\x16.reswhis.earlier.'
    b'Words\x12*\n\nhypothesis\x18\x02 \x01('
    b'\x0b2\x16.reswhis.earlier.Word'
    b'sb\x06proto3'
)

Audio = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["Audio"])
Words = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["Words"])
WordsWithHypothesis = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["WordsWithHypothesis"])
