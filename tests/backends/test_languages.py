from pathlib import Path

import pytest
from faster_whisper.tokenizer import _LANGUAGE_CODES

from reswhis.core.languages import LANGUAGES, OTHER_NAMES, language_code


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


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Castilian", "es"),
        ("mandarin", "zh"),
        ("Flemish", "nl"),
        ("myanmar", "my"),
        ("Burmese", "my"),
        ("haitian", "ht"),
        ("haitian creole", "ht"),
        ("Letzeburgesch", "lb"),
        ("moldovan", "ro"),
        ("cantonese", "yue"),
        ("nynorsk", "nn"),
    ],
)
def test_the_further_names_that_openai_whisper_takes_are_known(name, code):
    assert language_code(name) == code


def test_a_further_name_is_none_of_the_others_and_of_a_language_that_there_is():
    assert set(OTHER_NAMES.values()) <= set(LANGUAGES)
    names = {name.casefold() for name in LANGUAGES.values()}
    assert not names & set(OTHER_NAMES) and not set(OTHER_NAMES) & set(LANGUAGES)


def test_the_page_on_languages_names_all_of_them():
    page = " ".join((Path(__file__).parents[2] / "docs" / "languages.md").read_text("utf-8").split())
    assert all(f"{name} `{code}`" in page for code, name in LANGUAGES.items())
    assert all(f"{name.capitalize()} (`{code}`)" in page for name, code in OTHER_NAMES.items())
