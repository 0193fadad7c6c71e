"""What is written about the settings is what they are."""

from pathlib import Path

from reswhis.cli.arguments import load, serve_parser
from reswhis.settings import reference
from reswhis.settings.catalogue import catalogue

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_reference_page_is_that_of_this_version():
    """If not: the page says how to print its second part anew."""
    assert PAGE.read_text("utf-8").endswith(f"-->\n\n{reference()}")


def test_the_reference_names_every_setting_in_every_spelling():
    page = reference()
    for setting in catalogue().values():
        assert all(f"`{name}`" in page for name in (*setting.flags, *setting.variables)), setting.name


def test_the_file_shown_on_the_page_is_accepted(tmp_path):
    file = tmp_path / "reswhis.toml"
    file.write_text(PAGE.read_text("utf-8").split("```toml\n")[1].split("```")[0], encoding="utf-8")
    assert load(["--config", str(file)], {}).max_sessions == 20


def test_the_help_of_all_flags_says_of_every_setting_what_it_means_in_which_unit_and_its_default(monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")  # unbroken lines
    page = " ".join(serve_parser().format_help_all().split())
    for setting in catalogue().values():
        assert setting.meaning in page
        assert f"default {setting.default}]" in page or not setting.default
        assert f"[{setting.span} {setting.unit}" in page or not setting.unit


def test_the_help_of_all_flags_shows_settings_by_group():
    page = serve_parser().format_help_all()
    headings = ["Server:", "Model:", "Streaming:", "Voice activity:", "Limits:", "Logging:"]
    assert sorted(headings, key=page.index) == headings
