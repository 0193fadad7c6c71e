"""How a window is decoded, as far as a recogniser has the choice."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator

from .field import Group, Section, Share, setting


class Decoding(Section):
    beam_size: int = setting(
        Group.MODEL,
        1,
        "Alternatives followed while decoding; 1 is greedy and fastest. A client may ask for fewer.",
        ge=1,
        le=20,
    )
    patience: float = setting(
        Group.MODEL,
        1.0,
        "A search goes on until so many times beam_size alternatives are complete (faster-whisper, "
        "whisper-timestamped).",
        ge=1,
        le=10,
    )
    length_penalty: float = setting(
        Group.MODEL,
        1.0,
        "Power of its length that an alternative's likelihood is divided by: more favours longer ones "
        "(faster-whisper, whisper-timestamped).",
        ge=0,
        le=2,
    )
    temperatures: tuple[Share, ...] = setting(
        Group.MODEL,
        (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        "A final decode that comes out badly is done anew at the next of these, at random the more the "
        "higher; 0 alone: never (Whisper on this machine).",
        min_length=1,
    )
    best_of: int = setting(
        Group.MODEL,
        1,
        "Texts drawn at each temperature above 0, of which the likeliest is taken (faster-whisper, "
        "whisper-timestamped).",
        ge=1,
        le=10,
    )
    suppress_tokens: tuple[Annotated[int, Field(ge=-1, le=51_865)], ...] = setting(
        Group.MODEL,
        (-1,),
        "Ids of tokens that are never written; -1 stands for those that the model's own configuration "
        "names (Whisper on this machine).",
    )
    encoder_context: Literal["auto", "full", "dynamic"] = setting(
        Group.MODEL,
        "auto",
        "How much the model's encoder sees: full, 30 s, as stock models are trained for; or dynamic, just "
        "the audio, which is quicker and may cost words; auto is dynamic for models known to be trained for it.",
    )

    @field_validator("temperatures")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(one >= other for one, other in pairwise(value)):
            raise ValueError("must rise, each being greater than the one before")
        return value
