import json
import shutil

import pytest

from reswhis.backends import models
from reswhis.backends.base import BackendConfig
from reswhis.backends.model_formats import CTRANSLATE2
from reswhis.backends.models import HubModel, LocalModel, english_only, translates
from reswhis.backends.selection import check, choose
from reswhis.core.errors import ConfigurationError
from reswhis.core.languages import LANGUAGES

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


def test_cantonese_is_known_to_large_v3_and_what_was_made_from_it(micro, micro_v3, micro_en):
    for model in (find("large-v3"), find("turbo"), find(SIZES["large-v3"]), local(micro_v3)):
        assert models.languages(model) == set(LANGUAGES)
    for model in (find("tiny"), find("large-v2"), local(micro)):
        assert models.languages(model) == set(LANGUAGES) - {"yue"}
    for model in (find("base.en"), find("distil-large-v3"), local(micro_en)):
        assert models.languages(model) == {"en"}


def test_of_others_models_only_what_their_names_say_is_known_before_they_are_here(micro, tmp_path):
    assert models.languages(find("someone/whisper")) == set(LANGUAGES) and translates(find("someone/whisper"))
    assert not translates(find("someone/whisper-large-v3-turbo-ct2"))
    shutil.copytree(micro, tmp_path / "whisper-turbo")
    assert not translates(find(str(tmp_path / "whisper-turbo")))


@pytest.mark.parametrize(
    ("model", "config", "said"),
    [
        ("micro_en", {"language": "de"}, "knows English only, not German; choose another."),
        ("micro_en", {"task": "translate"}, "does not translate; choose another, such as large-v3."),
        ("micro", {"language": "Cantonese"}, "does not know Cantonese; choose another, such as large-v3."),
        ("large-v2", {"language": "yue"}, "does not know Cantonese; choose another, such as large-v3."),
        ("distil-large-v3", {"language": "fr"}, "knows English only, not French; choose another."),
        ("distil-large-v3", {"task": "translate"}, "does not translate"),
        ("large-v3-turbo", {"task": "translate"}, "does not translate"),
    ],
)
def test_what_is_beyond_a_model_is_refused_at_start(request, model, config, said):
    name = model if model in SIZES else str(request.getfixturevalue(model))
    with pytest.raises(ConfigurationError) as error:
        check(BackendConfig(backend="faster-whisper", model=name, device="cpu", **config))
    assert said in str(error.value)


def test_what_a_chosen_model_knows_is_told(micro, micro_v3, micro_en):
    def info(model):
        config = BackendConfig(backend="faster-whisper", model=str(model), device="cpu", workers=1)
        return choose(config, lambda message, progress: None).info

    assert [info(model).languages for model in (micro_en, micro_v3)] == [{"en"}, None]
    assert "yue" not in info(micro).languages and "de" in info(micro).languages
    assert [info(model).translates for model in (micro, micro_en)] == [True, False]


def test_a_gpu_that_cannot_be_is_refused_and_cores_are_shared_by_workers(micro):
    def config(**options):
        return BackendConfig(backend="faster-whisper", model=str(micro), device="cpu", **options)

    with pytest.raises(ConfigurationError, match="There is no GPU 1 to use"):
        check(config(device_indices=(0, 1)))
    made = [
        choose(config(**each), lambda message, progress: None).make for each in ({"workers": 64}, {"cpu_threads": 3})
    ]
    assert [make.threads for make in made] == [1, 3]
