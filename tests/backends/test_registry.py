import pytest

from reswhis.backends.registry import ROWS, Row, row
from reswhis.core.errors import ConfigurationError


@pytest.mark.parametrize("name", ["faster-whisper", "faster_whisper", "Faster-Whisper", " faster-whisper "])
def test_names_may_have_underscores_and_capitals(name):
    assert row(name).name == "faster-whisper"


def test_a_wrong_name_is_refused_with_the_nearest_right_one_and_all_of_them():
    with pytest.raises(ConfigurationError, match=r"did you mean 'pocketsphinx'\?") as error:
        row("pocketspinx")
    assert all(name in str(error.value) for name in ROWS)


def test_what_is_not_installed_is_refused_with_the_one_command_that_installs_it():
    absent = Row("some-engine", "reswhis.some_engine", ("surely_not_installed",), "some-engine", "brings much")
    with pytest.raises(ConfigurationError, match=r"`uv sync --extra some-engine` \(brings much\)"):
        absent.load()


@pytest.mark.parametrize("name", ["whisper-timestamped", "mlx-whisper", "openai-whisper"])
def test_a_backend_that_does_not_come_by_itself_has_an_extra_of_its_name(name):
    assert row(name).install == f"uv sync --extra {name}"


@pytest.mark.parametrize("name", ROWS)
def test_every_row_leads_to_a_module_that_checks_and_chooses(name):
    if row(name).missing:
        pytest.skip(f"needs `{row(name).install}`")
    module = row(name).load()
    assert callable(module.check) and callable(module.choose)
