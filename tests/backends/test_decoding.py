"""At which temperatures a window is decoded."""

import numpy as np
import pytest

from reswhis.backends.decoding import Decoding
from reswhis.core.types import DecodeOptions, Window


def temperatures(asked, *, final=True, ladder=(0.0, 0.2, 0.6)):
    window = Window(0, 0, np.zeros(9, np.int16), DecodeOptions(temperature=asked), is_final=final)
    return Decoding(ladder).temperatures_for(window)


def test_a_final_window_begins_where_its_session_asks_and_only_gets_hotter():
    assert temperatures(0.0) == (0.0, 0.2, 0.6)
    assert temperatures(0.2) == (0.2, 0.6)
    assert temperatures(0.5) == (0.5, 0.6)
    assert temperatures(1.0, ladder=(0.0,)) == (1.0,)


def test_what_may_still_change_is_never_drawn():
    assert temperatures(0.5, final=False) == (0.0,)


def test_a_temperature_has_a_range():
    for asked in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="temperature"):
            DecodeOptions(temperature=asked)
