from faster_whisper.tokenizer import _LANGUAGE_CODES

from reswhis.core.languages import LANGUAGES, language_code


def test_whispers_hundred_languages_are_there():
    assert set(LANGUAGES) == set(_LANGUAGE_CODES) and len(LANGUAGES) == 100


def test_a_language_is_found_by_code_and_by_name_in_any_case():
    assert [language_code(text) for text in ("de", "DE", "german", " German ", "yue")] == [
        "de",
        "de",
        "de",
        "de",
        "yue",
    ]


def test_what_is_no_language_is_none():
    assert [language_code(text) for text in ("", "xx", "en_US", "auto", "Germ")] == [None] * 5
