"""Clients that no server wants, for the tests and benchmarks of those that share it with them."""

import asyncio
import os
import socket

import websockets


async def stalls(server, audio):
    """Sends, never reads: its socket's buffers fill."""
    reader, writer = await raw_upgrade(server)
    try:
        frame = audio[:1600].tobytes()
        while True:
            writer.write(masked(2, frame))
            await asyncio.wait_for(writer.drain(), 60)
            await asyncio.sleep(0.005)
    finally:
        writer.transport.abort()


async def talks_rubbish(server):
    """Text that is no JSON, noise for audio, unknown types; then bytes that are no WebSocket."""
    while True:
        async with websockets.connect(server.ws) as socket:
            for _ in range(5):
                await socket.send("{" * 50)
                await socket.send(os.urandom(3333))
                await socket.send('{"type":"' + "x" * 1000 + '"}')
        _, writer = await raw_upgrade(server)
        writer.write(os.urandom(500))
        await asyncio.sleep(0.05)
        writer.transport.abort()


async def vanishes(server, audio):
    """Is cut off in the middle of a word, again and again."""
    while True:
        _, writer = await raw_upgrade(server)
        for _ in range(10):
            writer.write(masked(2, audio[:1600].tobytes()))
            await asyncio.sleep(0.01)
        writer.transport.abort()


async def raw_upgrade(server, query="", *, receive_buffer=None, headers=()):
    """A socket of our own, since a library's client always reads."""
    host, port = server.url.removeprefix("http://").split(":")
    plain = socket.socket()
    plain.setblocking(False)
    if receive_buffer is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await asyncio.get_running_loop().sock_connect(plain, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=plain)
    lines = [
        f"GET /ws/transcribe?{query} HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *headers,
    ]
    writer.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def masked(opcode, payload):
    """A client's frame, masked with zeros."""
    size = bytes([0x80 | 126]) + len(payload).to_bytes(2, "big") if len(payload) > 125 else bytes([0x80 | len(payload)])
    return bytes([0x80 | opcode]) + size + bytes(4) + payload
