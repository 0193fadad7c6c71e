"""gRPC as whisper_realtime_server's clients of v0.1, v0.2 and v0.3 speak it. Needs the extra ``grpc``.

``opening`` is what the application calls: it has the server made, in ``server``, with its ports. ``door`` says who may
come in, ``wire`` carries what ``codec`` translates. Not named grpc: that is the library.
"""
