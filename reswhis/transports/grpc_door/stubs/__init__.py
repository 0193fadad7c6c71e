"""The messages of the .proto files, made by ``proto/make_stubs.py``: not to be edited."""
