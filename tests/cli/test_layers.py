"""The layers' defaults are those of the settings, so that a part used alone behaves as in the server."""

from pathlib import Path
from typing import get_args

import pytest

from reswhis.backends.base import BackendConfig
from reswhis.core.commit import POLICIES
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.server.limits import FurtherModels, Limits
from reswhis.settings import Group, Settings
from reswhis.settings.catalogue import Kind, catalogue
from reswhis.settings.layers import backend_config, further_models, limits, session_config, stream_options


def test_the_defaults_of_the_settings_are_those_of_the_layers():
    settings = Settings()
    assert limits(settings) == Limits()
    assert session_config(settings) == SessionConfig()
    assert stream_options(settings) == StreamOptions()
    assert backend_config(settings) == BackendConfig()
    assert further_models(settings) == FurtherModels()


EXTREMES = [
    (setting.name, bound)
    for setting in catalogue().values()
    if setting.kind in (Kind.WHOLE, Kind.NUMBER) and setting.group in (Group.STREAMING, Group.VOICE_ACTIVITY)
    for bound in setting.span.split(" to ")
]


@pytest.mark.parametrize(("name", "bound"), EXTREMES)
def test_what_the_settings_allow_the_layers_take(name, bound):
    settings = Settings(**{name: bound})
    session_config(settings)
    stream_options(settings)


def test_a_session_holds_more_than_the_backlog_at_its_bound():
    assert session_config(Settings(max_backlog_s=600)).max_held_s > 600 + 28


def test_every_policy_can_be_chosen():
    assert set(get_args(Settings.model_fields["policy"].annotation)) == set(POLICIES)


def test_durations_arrive_in_seconds():
    settings = Settings(preroll_ms=400, endpoint_ms=700, min_speech_ms=50, minimum_chunk_size=0.5)
    assert (session_config(settings).preroll_s, session_config(settings).step_s) == (0.4, 0.5)
    endpointing = stream_options(settings).endpointing
    assert (endpointing.min_silence_s, endpointing.min_speech_s) == (0.7, 0.05)


def test_a_local_directory_wins_over_a_model():
    assert backend_config(Settings(model="tiny", model_dir=Path("weights"))).model == "weights"


def test_a_recogniser_that_cannot_translate_can_be_refused_at_start():
    assert backend_config(Settings(task="translate")).task == "translate"


def test_the_automatic_language_is_none_to_the_layers():
    assert backend_config(Settings(language="auto")).language is None
    assert stream_options(Settings(language="German")).decode.language == "de"
