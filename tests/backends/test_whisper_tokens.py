import pytest

from reswhis.backends.model_formats import CTRANSLATE2
from reswhis.backends.models import LocalModel, languages
from reswhis.backends.whisper_tokens import WhisperTokens
from reswhis.core.errors import BackendError


@pytest.fixture(scope="module")
def tokens(micro):
    return WhisperTokens(micro, multilingual=True)


def words(tokens, text, language="en"):
    return [piece.text for piece in tokens.words(tokens.encode(text), language)]


def test_special_tokens_are_the_models_own(micro, micro_v3):
    old, new = (WhisperTokens(model, multilingual=True) for model in (micro, micro_v3))
    assert (old.end, old.start, old.previous, old.no_timestamps) == (50257, 50258, 50361, 50363)
    assert (new.end, new.start, new.previous, new.no_timestamps) == (50257, 50258, 50362, 50364)
    assert old.task("en", "transcribe") == [50258, 50259, 50359]
    assert new.task("yue", "translate") == [50258, 50358, 50359]
    with pytest.raises(BackendError, match="yue"):
        old.task("yue", "transcribe")


def test_every_language_that_a_model_knows_has_a_token_of_its_own(micro, micro_v3):
    for model in (micro, micro_v3):
        tokens = WhisperTokens(model, multilingual=True)
        known = languages(LocalModel("a model", model, CTRANSLATE2))
        assert len({tokens.task(language, "transcribe")[1] for language in known}) == len(known) >= 99


def test_an_english_only_model_has_one_task(micro):
    tokens = WhisperTokens(micro, multilingual=False)
    assert tokens.task("en", "transcribe") == [tokens.start]
    for language, task in (("de", "transcribe"), ("en", "translate")):
        with pytest.raises(BackendError):
            tokens.task(language, task)


@pytest.mark.parametrize(
    "text",
    [
        " He said, “No, wait!” (laughs) I've got $5.50, 5%.",
        " ¿Cómo estás? Bien.",
        " Привет, мир!",
        " don't--no it's \N{FAMILY} here",
    ],
)
def test_words_begin_at_spaces_and_keep_their_punctuation(tokens, text):
    assert words(tokens, text) == [f" {word}" for word in text.split()]


def test_marks_between_spaces_belong_to_the_word_before_and_opening_ones_to_the_next(tokens):
    assert words(tokens, " Well - you ... see") == [" Well -", " you ...", " see"]
    assert words(tokens, ' He " said') == [" He", ' " said']


def test_marks_without_a_word_are_no_words(tokens):
    assert words(tokens, " ...") == [] and words(tokens, " Yes (") == [" Yes"]


def test_scripts_without_spaces_have_a_word_per_token_and_whole_characters(tokens):
    text = "今日は。「元気」ですか？𠮷野"
    found = words(tokens, text, "ja")
    assert "".join(found).strip() == text and "\N{REPLACEMENT CHARACTER}" not in "".join(found)
    assert len(found) > 4 and any(word.endswith("。") for word in found) and any(word[0] == "「" for word in found)


def test_a_words_stretch_leaves_its_punctuation_out_but_not_what_is_inside(tokens):
    ids = tokens.encode(" Well, $5.50!")
    well, price = tokens.words(ids, "en")
    assert tokens.decode(ids[well.first : well.last]) == " Well"
    assert tokens.decode(ids[price.first : price.last]) == " $5.50"
