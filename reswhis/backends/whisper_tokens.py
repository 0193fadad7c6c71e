"""A Whisper model's vocabulary: its special tokens by name, text to tokens, and tokens to pieces of words.

Every id comes from the model's own ``tokenizer.json``: large-v3 and its descendants have one language more, so
everything after the languages is shifted by one there. Knows nothing of audio or networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reswhis.core.errors import BackendError, ConfigurationError
from reswhis.core.languages import WITHOUT_SPACES

_UNFINISHED = "\ufffd"
"""What a token decodes to that holds only some bytes of a character."""

_OPENING = frozenset("\"'“‘«¿¡([{「『（《〈【")
_PUNCTUATION = _OPENING | frozenset("-–—.…,!?:;”’»)]}。，、！？：；」』）》〉】؟،۔।")
"""Marks that are not spoken, as opposed to ``%`` or ``&``."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A word with its punctuation, and the stretch ``tokens[first:last]`` of it that is spoken."""

    text: str
    first: int
    last: int

    @property
    def is_punctuation(self) -> bool:
        return set(self.text.strip()) <= _PUNCTUATION

    @property
    def opens(self) -> bool:
        return set(self.text.strip()) <= _OPENING


class WhisperTokens:
    def __init__(self, model: Path, *, multilingual: bool) -> None:
        import tokenizers

        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
        except Exception as error:  # the library raises nothing more special
            raise BackendError(f"tokenizer.json is damaged ({error})") from error
        self._multilingual = multilingual
        self.end = self._special("endoftext")
        """Text has ids below this one, everything special has greater ones."""
        self.start = self._special("startoftranscript")
        self.previous = self._special("startofprev")
        self.no_timestamps = self._special("notimestamps")

    def check_suppressed(self, tokens: Iterable[int]) -> None:
        """Raises ConfigurationError for those that are none, and for the end, without which no text has one."""
        count = self._tokenizer.get_vocab_size()
        for token in tokens:
            if token == self.end or token >= count:
                raise ConfigurationError(
                    f"suppress_tokens may not name {token}: this model has tokens below {count}, and ends its texts "
                    f"with {self.end}."
                )

    def task(self, language: str, task: str) -> list[int]:
        """What follows the prompt, up to the task."""
        if self._multilingual:
            return [self.start, self._special(language), self._special(task)]
        if language != "en" or task != "transcribe":
            raise BackendError(f"an English-only model cannot {task} {language!r}")
        return [self.start]

    def encode(self, text: str) -> list[int]:
        """Tokens of a text that stands after other text."""
        text = text.strip().encode("utf-8", "replace").decode()  # half a surrogate pair is no text
        ids: list[int] = self._tokenizer.encode(f" {text}", add_special_tokens=False).ids if text else []
        return ids

    def decode(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(list(tokens))
        return text

    def words(self, tokens: Sequence[int], language: str) -> list[Piece]:
        return words(self.decode, tokens, language)

    def _special(self, name: str) -> int:
        token: int | None = self._tokenizer.token_to_id(f"<|{name}|>")
        if token is None:
            raise BackendError(f"the model has no token <|{name}|>")
        return token


def words(decode: Callable[[Sequence[int]], str], tokens: Sequence[int], language: str) -> list[Piece]:
    """Whisper's own words with their punctuation; marks that no word stands beside are left out."""
    together = _in_any_script if language in WITHOUT_SPACES else _between_spaces
    found: list[Piece] = []
    for piece in _characters(decode, tokens):
        if found and together(found[-1], piece):
            found[-1] = _joined(found[-1], piece)
        else:
            found.append(piece)
    return [word for word in found if not word.is_punctuation]


def _characters(decode: Callable[[Sequence[int]], str], tokens: Sequence[int]) -> list[Piece]:
    """The shortest stretches that are whole characters."""
    pieces: list[Piece] = []
    first = 0
    for last in range(1, len(tokens) + 1):
        text = decode(tokens[first:last])
        if not text.endswith(_UNFINISHED) or last == len(tokens):
            pieces.append(Piece(text, first, last))
            first = last
    return pieces


def _between_spaces(word: Piece, piece: Piece) -> bool:
    return not piece.text.startswith(" ") or _in_any_script(word, piece)


def _in_any_script(word: Piece, piece: Piece) -> bool:
    return word.opens or piece.is_punctuation and not piece.opens


def _joined(word: Piece, piece: Piece) -> Piece:
    """The pause after a word is the time of its punctuation, so that is not counted as part of the word."""
    text = word.text + piece.text
    if word.is_punctuation:
        return Piece(text, piece.first, piece.last)
    return Piece(text, word.first, word.last if piece.is_punctuation else piece.last)
