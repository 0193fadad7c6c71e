"""Makes the Python messages of the .proto files, which the package brings along. From the repository's root:

uv run python proto/make_stubs.py

What protoc makes itself runs with the protobuf of its own time alone; of it only the types are kept.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

HERE = Path(__file__).parent
STUBS = HERE.parent / "reswhis" / "transports" / "grpc_door" / "stubs"
WIDTH = 24
"""Bytes of a line of the description."""


def make(directory: Path) -> None:
    for proto in sorted(HERE.glob("*.proto")):
        file = _described(proto.name, directory)
        text = "\n".join(_lines(file, is_public=bool(file.service)))
        (directory / f"{proto.stem}_pb2.py").write_text(text + "\n", encoding="utf-8")


def _described(name: str, directory: Path) -> FileDescriptorProto:
    """Writes the types, too."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        options = [f"-I{HERE}", f"--pyi_out={directory}", f"--descriptor_set_out={out}"]
        if protoc.main(["protoc", *options, name]) != 0:
            sys.exit(1)
        (file,) = FileDescriptorSet.FromString(out.read_bytes()).file
    for message in file.message_type:
        for field in message.field:
            field.ClearField("json_name")  # follows from the name
    return file


def _lines(file: FileDescriptorProto, *, is_public: bool) -> Iterator[str]:
    yield from (f'"""The messages of {file.name}, made by proto/make_stubs.py: not to be edited."""', "")
    yield from ("from google.protobuf import descriptor_pool, message_factory", "")
    if not is_public:
        yield "# Not in the pool of all, which is what reflection shows."
    yield f"DESCRIPTOR = descriptor_pool.{'Default' if is_public else 'DescriptorPool'}().AddSerializedFile("
    content = file.SerializeToString(deterministic=True)
    yield from (f"    {content[start : start + WIDTH]!r}" for start in range(0, len(content), WIDTH))
    yield from (")", "")
    for message in file.message_type:
        yield f'{message.name} = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["{message.name}"])'
    for enum in file.enum_type:
        yield from (f"{value.name} = {value.number}" for value in enum.value)


if __name__ == "__main__":
    make(STUBS)
