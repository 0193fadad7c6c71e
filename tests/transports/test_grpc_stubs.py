"""The messages in Python that the package brings along are those of the .proto files."""

import runpy
from pathlib import Path

import pytest

pytest.importorskip("grpc_tools.protoc", reason="grpcio-tools is not installed: uv sync")

PROTO = Path(__file__).parents[2] / "proto"


def test_the_stubs_are_made_of_the_proto_files(tmp_path):
    """If not: uv run python proto/make_stubs.py."""
    maker = runpy.run_path(str(PROTO / "make_stubs.py"))
    maker["make"](tmp_path)
    made = {file.name: file.read_text("utf-8") for file in tmp_path.iterdir()}
    assert len(made) == 4
    assert {name: (maker["STUBS"] / name).read_text("utf-8") for name in made} == made
