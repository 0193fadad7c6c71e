import pytest

from reswhis.cli.arguments import load
from reswhis.cli.serve import without_effect
from reswhis.core.errors import ConfigurationError
from reswhis.settings import Settings
from reswhis.settings.catalogue import Kind, catalogue


@pytest.fixture
def toml(tmp_path):
    """Writes a configuration file; returns the arguments that name it."""

    def write(text, encoding="utf-8"):
        path = tmp_path / "reswhis.toml"
        path.write_bytes(text.encode(encoding))
        return ["--config", str(path)]

    return write


def refusal(argv=(), **environ):
    with pytest.raises(ConfigurationError) as refused:
        load(argv, environ)
    said = str(refused.value)
    assert "\n" not in said
    assert said.endswith((".", "?"))
    return said


def test_without_any_source_the_defaults_hold():
    assert load([], {}) == Settings()


def test_the_command_line_wins_over_the_environment_over_the_file_over_the_default(toml):
    file = toml("port = 1\nhost = 'file'\nmodel = 'file'")
    settings = load([*file, "--port", "3"], {"RESWHIS_PORT": "2", "RESWHIS_HOST": "variable"})
    assert (settings.port, settings.host, settings.model, settings.backend) == (3, "variable", "file", "auto")


def test_a_variable_names_the_file_and_the_flag_wins_over_it(toml, tmp_path):
    _, path = toml("port = 1")
    other = tmp_path / "other.toml"
    other.write_text("port = 2")
    assert load([], {"RESWHIS_CONFIG": path}).port == 1
    assert load(["--config", str(other)], {"RESWHIS_CONFIG": path}).port == 2


def test_unprefixed_variables_but_those_of_reswhis_0_1_are_not_read(monkeypatch):
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("MODEL", "tiny")
    monkeypatch.setenv("RESWHIS_PORT", "1")
    assert load([], {"PORT": "1", "HOST": "x", "MODEL": "tiny"}) == Settings()


def test_no_file_is_read_unless_it_is_named(toml, tmp_path, monkeypatch):
    toml("port = 1")
    monkeypatch.chdir(tmp_path)
    assert load([], {}).port == 8000


def test_flags_take_underscores_as_well_as_dashes():
    settings = load(["--buffer_trimming_sec", "9", "--log_level=debug", "--no_fallback"], {})
    assert (settings.buffer_trimming_sec, settings.log_level, settings.fallback) == (9, "debug", False)


def test_dashes_and_underscores_within_a_value_stay_as_they_are():
    assert load(["--model=--my_model", "--prompt", "snake_case"], {}).model == "--my_model"


def test_keys_of_the_file_take_dashes_too(toml):
    assert load(toml("log-level = 'debug'"), {}).log_level == "debug"


@pytest.mark.parametrize("flag", ["--similarity", "--qratio-threshold", "--qratio_threshold"])
def test_further_names_of_a_flag_mean_the_same(flag):
    assert load([flag, "95"], {}).similarity == 95


@pytest.mark.parametrize("written", ["9000", " 9000", "9000  \r"])
def test_blanks_around_a_number_do_not_matter(written):
    assert load([], {"RESWHIS_PORT": written}).port == 9000
    assert load(["--port", written], {}).port == 9000


def test_blanks_around_a_text_do_not_matter():
    assert load([], {"RESWHIS_MODEL": " tiny "}).model == "tiny"


@pytest.mark.parametrize("written", ["local-agreement", "Local_Agreement", " LOCAL-AGREEMENT "])
def test_choices_are_taken_in_any_case_and_with_either_dash(written):
    assert load([], {"RESWHIS_POLICY": written}).policy == "local-agreement"


@pytest.mark.parametrize(
    ("written", "meant"), [("true", True), ("False", False), ("1", True), ("0 ", False), ("off", False)]
)
def test_a_switch_in_the_environment_takes_any_usual_truth_value(written, meant):
    assert load([], {"RESWHIS_MULTILINGUAL": written, "RESWHIS_FALLBACK": written}).fallback is meant


def test_an_empty_variable_is_as_good_as_none():
    assert load([], {"RESWHIS_PORT": "", "RESWHIS_LOG_FILE": " "}) == Settings()


@pytest.mark.parametrize("given", [{"environ": {"RESWHIS_API_KEY": ""}}, {"argv": ["--api-key="]}])
def test_an_empty_key_does_not_open_the_server(given):
    assert "api_key" in refusal(given.get("argv", ()), **given.get("environ", {}))


def test_keys_come_repeated_or_separated_by_commas_or_as_an_array(toml):
    def keys(settings):
        return [key.get_secret_value() for key in settings.api_key]

    assert keys(load(["--api-key", "a", "--api-key", "b,c"], {})) == ["a", "b", "c"]
    assert keys(load([], {"RESWHIS_API_KEY": "a, b"})) == ["a", "b"]
    assert keys(load(toml('api_key = ["a,b"]'), {})) == ["a,b"]


def test_keys_are_shown_nowhere(toml):
    assert "hush" not in repr(load(["--api-key", "hush"], {}))
    assert "hush" not in refusal(toml('api_key = [["hush"]]'))


def test_origins_are_kept_as_browsers_send_them():
    assert load(["--allowed-origins", "HTTPS://Example.org/,*"], {}).allowed_origins == ("https://example.org", "*")


@pytest.mark.parametrize("written", ["example.org", "https://", "https://a/b"])
def test_what_no_browser_sends_as_an_origin_is_refused(written):
    assert "https://example.org" in refusal(["--allowed-origins", written])


def test_a_path_may_start_at_home():
    assert "~" not in str(load(["--log-file=~/reswhis.log"], {}).log_file)


@pytest.mark.parametrize(("written", "code"), [("auto", "auto"), ("de", "de"), ("German", "de")])
def test_a_language_is_a_code_or_its_english_name(written, code):
    assert load(["--language", written], {}).language == code


def test_flags_about_agreement_are_named_where_another_policy_decides(toml):
    given = [*toml("fallback = false"), "--qratio-threshold", "95"]
    idle = without_effect(load(given, {"RESWHIS_AGREEMENT_N": "3"}))
    assert idle == ["--agreement-n", "--similarity or --qratio-threshold", "--fallback"]
    assert without_effect(load([*given, "--policy", "local-agreement"], {})) == without_effect(load([], {})) == []


def test_the_settings_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        load([], {}).port = 1


# What is refused, and how.


def test_a_wrong_value_is_refused_with_its_name_its_source_and_what_is_allowed(toml):
    allowed = "must be a whole number from 0 to 65535, not"
    assert refusal(["--port", "70000"]) == f'port (--port) {allowed} "70000".'
    assert refusal(RESWHIS_PORT="many") == f'port (variable RESWHIS_PORT) {allowed} "many".'
    file = toml("port = 1.5")
    assert refusal(file) == f"port (file {file[1]}) {allowed} 1.5."


@pytest.mark.parametrize(
    ("flag", "value", "allowed"),
    [
        ("--minimum-chunk-size", "0", "a number from 0.1 to 15 seconds"),
        ("--minimum-chunk-size", "nan", "a number from 0.1 to 15 seconds"),
        ("--minimum-chunk-size", "1,5", "a number from 0.1 to 15 seconds"),
        ("--max-frame-bytes", "1e6", "a whole number from 1024 to 16777216 bytes"),
        ("--policy", "agreement", "one of local-agreement, alignatt, endpoint"),
        ("--host", " ", "a text that is not empty"),
    ],
)
def test_what_is_allowed_is_said_with_its_unit(flag, value, allowed):
    assert f'must be {allowed}, not "{value.strip()}".' in refusal([flag, value])


@pytest.mark.parametrize(
    "line", ["port = true", "similarity = true", "fallback = 'perhaps'", "model = 5", "api_key = 5"]
)
def test_a_value_of_another_kind_is_refused(toml, line):
    assert refusal(toml(line)).startswith(line.split()[0])


def test_a_text_that_is_too_long_is_refused_without_repeating_it_all():
    said = refusal(["--prompt", "word " * 300])
    assert "must be a text of up to 1000 characters, not" in said
    assert len(said) < 200


def test_a_wrong_language_is_refused_with_its_source_and_the_right_ones():
    said = refusal(RESWHIS_LANGUAGE="tlhingan")
    assert said.startswith('language (variable RESWHIS_LANGUAGE) is "tlhingan", but must be auto')
    assert ", de, " in said


def test_settings_that_do_not_go_together_are_refused_with_both_sources():
    said = refusal(["--minimum-chunk-size", "15"], RESWHIS_MAX_BACKLOG_S="29")
    assert said == (
        "max_backlog_s (29, variable RESWHIS_MAX_BACKLOG_S) must be at least twice "
        "minimum_chunk_size (15, --minimum-chunk-size or --min-chunk-size)."
    )
    assert refusal(["--idle-timeout-s", "1"]).startswith("idle_flush_s (2, default) must be less than idle_timeout_s")


@pytest.mark.parametrize(
    ("unknown", "meant"),
    [("--prot", "--port"), ("--modle=tiny", "--model"), ("--no-falback", "--no-fallback"), ("--hotword", "--hotwords")],
)
def test_an_unknown_flag_is_refused_with_the_nearest_right_one(unknown, meant):
    assert refusal([unknown, "1"]) == f"unknown flag {unknown.split('=')[0]}; did you mean {meant}?"


def test_an_unknown_flag_like_no_other_points_to_the_help():
    assert refusal(["--xyzzy"]) == "unknown flag --xyzzy; reswhis --help says what there is."


def test_the_beginning_of_a_flag_is_not_the_flag():
    assert refusal(["--max-sess", "1"]) == "unknown flag --max-sess; did you mean --max-sessions?"


def test_a_switch_with_a_value_is_refused():
    assert refusal(["--no-fallback=1"]) == "--no-fallback takes no value: write --fallback or --no-fallback."


def test_a_flag_without_its_value_is_refused():
    assert refusal(["--port"]).startswith("--port: expected one argument")


def test_an_unknown_variable_is_refused_with_the_nearest_right_one():
    assert refusal(RESWHIS_PROT="1") == "unknown environment variable RESWHIS_PROT; did you mean RESWHIS_PORT?"


def test_an_unknown_key_is_refused_with_the_nearest_right_one(toml):
    file = toml("languages = 'de'")
    assert refusal(file) == f"unknown key languages in {file[1]}; did you mean language?"


@pytest.mark.parametrize("table", ["server", "model"])
def test_a_table_in_the_file_is_refused_with_where_keys_stand(toml, table):
    assert "keys stand at the top, not in tables" in refusal(toml(f"[{table}]\nport = 1"))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "tcp://10.0.0.1:80"),
        ("SERVICE_HOST", "10.0.0.1"),
        ("SERVICE_PORT_HTTP", "80"),
        ("PORT_80_TCP_ADDR", "x"),
    ],
)
def test_what_kubernetes_sets_for_a_service_of_this_name_is_not_meant_for_us(variable, value):
    assert load([], {f"RESWHIS_{variable}": value}) == Settings()


def test_broken_toml_is_refused_with_its_line(toml):
    file = toml("port = 1\nhost 2")
    said = refusal(file)
    assert file[1] in said
    assert "line 2" in said


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    assert "No such file" in refusal(["--config", str(tmp_path / "none.toml")])
    assert str(tmp_path) in refusal(RESWHIS_CONFIG=str(tmp_path))


def test_a_file_in_another_encoding_is_refused_but_a_byte_order_mark_is_not(toml):
    assert "UTF-8" in refusal(toml("prompt = 'Grüße'", "latin-1"))
    assert load(toml("prompt = 'Grüße'", "utf-8-sig"), {}).prompt == "Grüße"


@pytest.mark.parametrize("setting", catalogue().values(), ids=lambda setting: setting.name)
def test_every_setting_has_a_meaning_and_takes_its_own_default_from_every_source(setting):
    assert setting.meaning.endswith(".")
    assert setting.kind not in (Kind.WHOLE, Kind.NUMBER) or setting.span
    if not setting.default:
        return
    flag = setting.flags[0]
    if setting.kind is not Kind.SWITCH:
        argv = [flag, setting.default]
    else:
        argv = [flag if setting.default == "true" else flag.replace("--", "--no-", 1)]
    assert load(argv, {}) == load([], {setting.variable: setting.default}) == Settings()


def test_a_home_that_nobody_has_is_refused(tmp_path):
    assert "--log-file" in refusal(["--log-file", "~nobody-at-all/x"])
    assert "~nobody-at-all/x" in refusal(["--config", "~nobody-at-all/x"])
