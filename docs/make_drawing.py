"""Makes architecture.svg: where audio goes and where its words come from. From the repository's root:

uv run python docs/make_drawing.py
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 1000, 536
LINE = 17
STYLE = """
:root { --ink: #1f2328; --soft: #59636e; --line: #8c959f; --paper: #ffffff; --band: #f6f8fa; --edge: #d1d9e0;
  --core: #ddf4ff; --core-edge: #54aeff; --audio: #0969da; --words: #1a7f37; }
@media (prefers-color-scheme: dark) { :root { --ink: #f0f6fc; --soft: #9198a1; --line: #656c76; --paper: #0d1117;
  --band: #151b23; --edge: #3d444d; --core: #0c2d6b; --core-edge: #388bfd; --audio: #4493f8; --words: #3fb950; } }
text { font: 13px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: var(--ink); }
.title { font-weight: 600; }
.soft { fill: var(--soft); font-size: 12px; }
.head { fill: var(--soft); font-size: 12px; font-weight: 600; letter-spacing: 0.04em; }
.page { fill: var(--paper); }
.band { fill: var(--band); stroke: var(--edge); }
.box { fill: var(--paper); stroke: var(--edge); }
.core { fill: var(--core); stroke: var(--core-edge); stroke-width: 1.5; }
.audio, .words { fill: none; stroke-width: 1.8; }
.audio { stroke: var(--audio); } .words { stroke: var(--words); }
.audio-ink { fill: var(--audio); font-size: 12px; } .words-ink { fill: var(--words); font-size: 12px; }
""".strip()


@dataclass(frozen=True, slots=True)
class Box:
    x: int
    y: int
    width: int
    title: str
    lines: tuple[str, ...] = ()
    kind: str = "box"
    copies: int = 0
    """Others of its kind behind it."""

    @property
    def height(self) -> int:
        return 20 + LINE * (1 + len(self.lines))

    def draw(self) -> str:
        parts = [
            f'<rect class="{self.kind}" x="{self.x + 5 * n}" y="{self.y + 5 * n}" '
            f'width="{self.width}" height="{self.height}" rx="6"/>'
            for n in range(self.copies, -1, -1)
        ]
        parts.append(_text(self.x + 12, self.y + 23, self.title, "title"))
        parts += [
            _text(self.x + 12, self.y + 23 + LINE * n, line, "soft") for n, line in enumerate(self.lines, start=1)
        ]
        return "\n".join(parts)


def _text(x: int, y: int, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _band(x: int, y: int, width: int, height: int, name: str) -> str:
    band = f'<rect class="band" x="{x}" y="{y}" width="{width}" height="{height}" rx="10"/>'
    return band + _text(x + 14, y + 22, name, "head")


def _arrow(kind: str, *points: tuple[int, int]) -> str:
    way = " ".join(f"{x},{y}" for x, y in points)
    return f'<polyline class="{kind}" points="{way}" marker-end="url(#{kind})"/>'


def _head(kind: str) -> str:
    return (
        f'<marker id="{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="var(--{kind})"/></marker>'
    )


CLIENTS = (
    Box(30, 54, 148, "the web page", ("browser, phone",)),
    Box(30, 132, 148, "reswhis listen", ("microphone, file",)),
    Box(30, 210, 148, "any WebSocket", ("websocat, a program",)),
    Box(30, 288, 148, "a client of 0.1", ("as it was",)),
)
SHELL = Box(290, 54, 180, "connection", ("one for all protocols:", "frames, timers, limits"))
CODECS = (
    Box(290, 148, 180, "native codec", ("/ws/transcribe",), "core"),
    Box(290, 218, 180, "legacy codec", ("/transcribe",), "core"),
    Box(290, 288, 180, "pages", ("/  /info  /health  /metrics",)),
)
EAR = Box(550, 54, 180, "ear", ("decodes, resamples,", "finds speech"))
SESSION = Box(550, 169, 180, "session", ("utterances, windows,", "alignment, guard,", "commit policy"), "core")
JOURNAL = Box(550, 301, 180, "journal", ("numbered events",))
SCHEDULER = Box(820, 54, 152, "scheduler", ("finals first, then", "by deadline"), "core")
WORKER = Box(820, 169, 147, "worker", ("a thread that owns", "its model"), copies=1)
BACKENDS = Box(820, 271, 152, "backend", ("faster-whisper,", "pocketsphinx, fake"))
FILES = Box(30, 450, 148, "reswhis transcribe", ("audio, video",))
OFFLINE = Box(290, 450, 180, "offline", ("the whole file at once",))
SUBTITLES = Box(550, 450, 180, "subtitles", ("txt srt vtt tsv json",), "core")

BOXES = (*CLIENTS, SHELL, *CODECS, EAR, SESSION, JOURNAL, SCHEDULER, WORKER, BACKENDS, FILES, OFFLINE, SUBTITLES)
BANDS = (
    (16, 16, 176, 356, "CLIENTS"),
    (276, 16, 208, 356, "TRANSPORTS"),
    (536, 16, 208, 356, "A HOST PER SESSION"),
    (806, 16, 180, 356, "ENGINE"),
    (16, 412, 176, 108, "FILES"),
    (276, 412, 468, 108, "THE SAME SESSION AND ENGINE, WITHOUT A SOCKET"),
)


def _arrows() -> list[str]:
    return [
        _arrow("audio", (192, 90), (288, 90)),
        _text(234, 82, "audio", "audio-ink", "middle"),
        _arrow("words", (290, 176), (194, 176)),
        _text(234, 168, "messages", "words-ink", "middle"),
        _arrow("audio", (470, 90), (548, 90)),
        _text(510, 82, "bytes", "audio-ink", "middle"),
        _arrow("audio", (640, 125), (640, 167)),
        _text(631, 151, "samples", "audio-ink", "end"),
        _arrow("audio", (730, 190), (775, 190), (775, 90), (818, 90)),
        _text(775, 82, "window", "audio-ink", "middle"),
        _arrow("audio", (895, 125), (895, 167)),
        _text(886, 151, "batch", "audio-ink", "end"),
        _arrow("words", (820, 226), (732, 226)),
        _text(775, 244, "hypothesis", "words-ink", "middle"),
        _arrow("audio", (905, 245), (905, 269)),
        _arrow("words", (880, 271), (880, 243)),
        _arrow("words", (640, 257), (640, 299)),
        _text(631, 283, "events", "words-ink", "end"),
        _arrow("words", (550, 328), (510, 328), (510, 176), (472, 176)),
        _text(510, 346, "read by", "words-ink", "middle"),
        _arrow("audio", (178, 478), (288, 478)),
        _text(234, 470, "samples", "audio-ink", "middle"),
        _arrow("words", (470, 478), (548, 478)),
        _text(510, 470, "words", "words-ink", "middle"),
    ]


def _legend(x: int, y: int) -> list[str]:
    return [
        _arrow("audio", (x, y), (x + 30, y)),
        _text(x + 42, y + 4, "audio", "audio-ink"),
        _arrow("words", (x, y + 24), (x + 30, y + 24)),
        _text(x + 42, y + 28, "words", "words-ink"),
        f'<rect class="core" x="{x}" y="{y + 40}" width="30" height="16" rx="4"/>',
        _text(x + 42, y + 53, "does no I/O", "soft"),
    ]


def drawing() -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" aria-labelledby="name">',
        '<title id="name">Audio goes from a client through a connection, a host and its session to the engine; '
        "words come back through the session, the journal and a codec</title>",
        f"<style>{STYLE}</style>",
        f"<defs>{_head('audio')}{_head('words')}</defs>",
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="8"/>',
        *(_band(*band) for band in BANDS),
        *(box.draw() for box in BOXES),
        *_arrows(),
        *_legend(820, 440),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("architecture.svg").write_text(drawing(), "utf-8")
