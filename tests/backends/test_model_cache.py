"""What is said of a model in the cache, laid out as huggingface_hub does it, also by versions that recorded nothing."""

import os
import shutil

import pytest

from reswhis.backends import model_cache
from reswhis.backends.faster_whisper import MakeFasterWhisper
from reswhis.backends.hub import cached
from reswhis.backends.model_cache import HubFile, Kept, bytes_in_words, is_as_named, look, record, space
from reswhis.backends.model_facts import facts
from reswhis.backends.model_formats import CTRANSLATE2, of_backends
from reswhis.backends.models import HubModel, LocalModel, find
from reswhis.core.errors import ConfigurationError

from .hub_server import COMMIT, etag_of

MODEL = HubModel("small", CTRANSLATE2.sizes["small"], CTRANSLATE2)


@pytest.fixture
def folder(micro, tmp_path):
    """Of a model that another program has fetched."""
    folder = model_cache.folder_of(MODEL.repo, tmp_path)
    snapshot = folder / "snapshots" / COMMIT
    for place in (snapshot, folder / "blobs", folder / "refs"):
        place.mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    for file in micro.iterdir():
        blob = folder / "blobs" / etag_of(file.read_bytes())
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
    return folder


def weights(folder):
    return folder / "snapshots" / COMMIT / "model.bin"


def cut_off(path):
    with path.open("r+b") as file:
        file.truncate(1_000_000)


def make(path):
    return MakeFasterWhisper(path, device="cpu", device_indices=(0,), compute_type="int8", threads=1)


def test_what_others_have_fetched_is_whole_and_every_hash_is_right(folder, tmp_path):
    assert look(MODEL, tmp_path).state == look(MODEL, tmp_path, verify=True).state == "whole"
    assert cached(MODEL, tmp_path) == weights(folder).parent


@pytest.mark.parametrize("missing", ["link", "blob"])
def test_a_missing_file_is_named_and_the_model_not_taken(folder, tmp_path, missing):
    (weights(folder) if missing == "link" else weights(folder).resolve()).unlink()
    kept = look(MODEL, tmp_path)
    assert (kept.state, kept.missing, kept.trouble) == ("incomplete", ("model.bin",), "model.bin missing")
    assert cached(MODEL, tmp_path) is None


def test_truncated_weights_without_a_record_are_found_by_their_hash(folder, tmp_path):
    cut_off(weights(folder))
    assert look(MODEL, tmp_path).state == "whole"
    assert look(MODEL, tmp_path, verify=True).trouble == "model.bin is not what the hub has"


def test_a_recogniser_that_refuses_a_damaged_model_says_how_to_mend_it(folder, tmp_path):
    cut_off(weights(folder))
    with pytest.raises(ConfigurationError) as refused:
        make(weights(folder).parent)(0)
    said = f"is damaged: model.bin is not what the hub has; `reswhis models pull small --model-cache-dir {tmp_path}` "
    assert str(refused.value) == f"The model in {weights(folder).parent} {said}mends it."


def test_of_a_directory_of_ones_own_it_says_what_the_recogniser_says(micro, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(micro, own)
    cut_off(own / "model.bin")
    with pytest.raises(ConfigurationError, match=r"own cannot be loaded: .*\.$") as refused:
        make(own)(0)
    assert "models pull" not in str(refused.value)


def test_a_recorded_size_is_compared_and_a_damaged_record_is_none(folder, tmp_path):
    size = weights(folder).stat().st_size
    record(folder, COMMIT, [HubFile("model.bin", size + 1, "")])
    assert look(MODEL, tmp_path).state == "damaged" and cached(MODEL, tmp_path) is None
    for content in ("{", "[]", '{"model.bin": 3}'):
        (folder / model_cache.RECORDS / f"{COMMIT}.json").write_text(content)
        assert look(MODEL, tmp_path).state == "whole"


def test_what_huggingface_hub_itself_recorded_is_believed(folder, tmp_path):
    (folder / "trees").mkdir()
    tree = '{"format_version": 1, "files": {"model.bin": {"size": 5, "blob_id": "0"}}}'
    (folder / "trees" / f"{COMMIT}.json").write_text(tree)
    assert "of 5 bytes" in look(MODEL, tmp_path).trouble


def test_hashes_are_those_of_git_and_sha_256_and_of_others_nothing_is_said(tmp_path):
    (file := tmp_path / "file").write_bytes(b"what is up, doc?")
    assert is_as_named(file, "bd9dbf5aae1a3862dd1526723246b20206e5fc37") is True  # from git's own manual
    assert is_as_named(file, "0" * 40) is False and is_as_named(file, "0" * 64) is False
    assert is_as_named(file, "") is None and is_as_named(file, "d41d8cd98f00b204e9800998ecf8427e-2") is None


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (999_499, "999 kB"),
        (999_600, "1 MB"),
        (75_540_000, "76 MB"),
        (1.62e9, "1.62 GB"),
    ],
)
def test_bytes_are_said_as_drives_count_them(count, words):
    assert bytes_in_words(count) == words


def test_space_is_refused_with_what_is_needed_and_what_is_free(tmp_path):
    assert space(100, 100, tmp_path) is None
    assert space(3_090_000_000, 1_200_000_000, tmp_path) == f"3.09 GB are needed in {tmp_path}, and 1.20 GB are free"
    assert model_cache.free_at(tmp_path / "not" / "there" / "yet") > 0


def test_nothing_at_all_is_absent_and_not_in_trouble(tmp_path):
    kept = look(MODEL, tmp_path)
    assert (kept.state, kept.trouble, kept.size) == ("absent", "", 0)
    assert Kept(tmp_path, None, 10, ("model.bin",)).state == "incomplete"


def test_facts_are_of_the_name_until_the_files_are_there(micro, micro_v3):
    def of(name, path=None):
        known = facts(find(name, CTRANSLATE2), path)
        return known.parameters_m, known.mel_bins, known.languages, known.translates

    assert of("tiny") == (39, 80, 99, True) and of("base.en") == (74, 80, 1, False)
    assert of("large-v3") == of("large") == (1550, 128, 100, True) and of("turbo") == (809, 128, 100, False)
    assert of("distil-large-v2")[1:] == (80, 1, False) and of("distil-large-v3.5") == (756, 128, 1, False)
    assert of("someone/whisper") == (None, None, None, None) and of("someone/my.en")[2:] == (1, False)
    assert of("someone/whisper", micro) == (None, 80, 99, True) and of(str(micro_v3), micro_v3)[1:] == (128, 100, True)
    assert facts(LocalModel("x", micro, CTRANSLATE2), micro / "nothing").mel_bins is None


@pytest.mark.parametrize("backend", of_backends())
def test_every_name_of_every_format_has_a_figure(backend):
    format = of_backends()[backend]
    assert all(facts(find(size, format), None).download > 50_000_000 for size in format.sizes)
