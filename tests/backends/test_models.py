import json
import shutil

import pytest

from reswhis.backends import models
from reswhis.backends.model_formats import CTRANSLATE2
from reswhis.backends.models import HubModel, LocalModel, english_only, translates
from reswhis.core.errors import ConfigurationError

SIZES = CTRANSLATE2.sizes


def find(name):
    return models.find(name, CTRANSLATE2)


def local(path):
    return LocalModel(str(path), path, CTRANSLATE2)


@pytest.fixture
def half(micro, tmp_path):
    folder = tmp_path / "half"
    shutil.copytree(micro, folder)
    return folder


def test_size_names_and_hub_ids_are_found_without_the_network():
    assert find("large-v3-turbo") == HubModel("large-v3-turbo", find("turbo").repo, CTRANSLATE2)
    assert find("someone/some-model") == HubModel("someone/some-model", "someone/some-model", CTRANSLATE2)
    assert {"tiny.en", "tiny", "base", "small", "medium", "large-v1", "large-v2", "large-v3", "large"} <= set(SIZES)


@pytest.mark.parametrize("name", ["some one/model", "C:/model", "a/b/c", "some--one/model", "someone/", "-/-"])
def test_what_is_no_hub_id_is_taken_for_a_directory_that_is_not_there(name):
    with pytest.raises(ConfigurationError, match="There is no directory"):
        find(name)


def test_a_whole_directory_is_itself(micro):
    assert find(str(micro)) == local(micro)


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
def test_of_half_a_directory_the_error_names_what_is_missing(half, name):
    (half / name).unlink()
    with pytest.raises(ConfigurationError, match=name.replace("vocabulary.json", "vocabulary")) as error:
        find(str(half))
    assert str(half) in str(error.value)


def test_a_wrong_name_is_refused_with_the_nearest_right_one_and_all_of_them():
    with pytest.raises(ConfigurationError, match=r"did you mean 'large-v3'\?") as error:
        find("larg-v3")
    assert all(size in str(error.value) for size in SIZES)


def test_a_path_that_leads_nowhere_and_a_file_are_refused(micro):
    with pytest.raises(ConfigurationError, match="no directory"):
        find("/no/such/model")
    with pytest.raises(ConfigurationError, match="is a file"):
        find(str(micro / "model.bin"))


def test_an_english_only_model_is_known_by_its_name_or_its_vocabulary(micro, micro_v3, half):
    assert not english_only(local(micro)) and not english_only(local(micro_v3))
    assert english_only(find("base.en")) and english_only(find("distil-large-v3")) and not english_only(find("base"))
    assert english_only(find("Systran/faster-distil-whisper-large-v3")) and english_only(find("my/own.en-ct2"))
    assert not english_only(find("someone/distil-whisper-german"))
    words = json.loads((half / "vocabulary.json").read_text("utf-8"))
    (half / "vocabulary.json").write_text(json.dumps(words[:-1]))
    assert english_only(local(half))
    (half / "vocabulary.json").unlink()
    (half / "vocabulary.txt").write_text("\n".join("x" for _ in words))
    assert not english_only(local(half))


@pytest.mark.parametrize("content", [b'{"x', b"\xff\xfe"])
def test_a_damaged_vocabulary_is_one_sentence(half, content):
    (half / "vocabulary.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"vocabulary or configuration is damaged\.$"):
        english_only(local(half))


def test_english_only_models_and_the_turbo_do_not_translate(micro):
    assert translates(find("large-v3")) and translates(local(micro))
    assert not any(translates(find(name)) for name in ("base.en", "turbo", "large-v3-turbo", find("turbo").repo))
