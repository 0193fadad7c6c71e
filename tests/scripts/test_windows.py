"""What ``run.bat``, ``copy_cuda_dlls.bat`` and ``clients/websocat_client.bat`` do, as far as it takes no microphone.

Unlike Windows', Wine's shell reads a ``%`` in a path or an argument twice and loses a ``^`` outside quotes: neither is
here.
"""

import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
FOLDER = "R & D (new), Jürgen's ^x! = 1"
NOTE_VARIABLES = '>"%~dpn0.variables" set'
PRESS_A_KEY = "press any key"

CAMERA = "@device_pnp_\\\\?\\usb#vid_046d&pid_0825&mi_00#7&2&0&0000#{65e8773d-8f56-11d0-a3b9-00a0c9223196}\\global"
WAVE = "@device_cm_{33D9A762-90C8-11D0-BD43-00A0C911CE86}\\wave_"
FFMPEG_4 = f"""\
[dshow @ 000001e5] DirectShow video devices (some may be both video and audio devices)
[dshow @ 000001e5]  "Integrated Camera"
[dshow @ 000001e5]     Alternative name "{CAMERA}"
[dshow @ 000001e5] DirectShow audio devices
[dshow @ 000001e5]  "Microphone (2- R&D Audio!)"
[dshow @ 000001e5]     Alternative name "{WAVE}{{A}}"
[dshow @ 000001e5]  "Line In (Jack)"
dummy: Immediate exit requested
"""
FFMPEG_7 = f"""\
[dshow @ 000001e5] "OBS Virtual Camera" (none)
[dshow @ 000001e5]   Alternative name "@device_sw_{{860BB310}}\\{{A3FCE0F5}}"
[dshow @ 000001e5] "Integrated Camera" (video)
[dshow @ 000001e5]   Alternative name "{CAMERA}"
[dshow @ 000001e5] "Microphone (2- R&D Audio!)" (audio)
[dshow @ 000001e5]   Alternative name "{WAVE}{{A}}"
[dshow @ 000001e5] "Capture Card (HDMI)" (audio, video)
[dshow @ 000001e5]   Alternative name "{WAVE}{{B}}"
[in#0 @ 000001e6] Error opening input: Immediate exit requested
Error opening input file dummy.
"""
NO_MICROPHONE = """\
[dshow @ 000001e5] "Integrated Camera" (video)
[dshow @ 000001e5] Could not enumerate audio only devices (or none found).
"""


def copy_of(name, tmp_path):
    script = tmp_path / FOLDER / Path(name).name
    script.parent.mkdir()
    return Path(shutil.copy(REPOSITORY / name, script))


# run.bat


@pytest.fixture
def run_bat(tmp_path):
    return copy_of("run.bat", tmp_path)


@pytest.fixture
def variables(windows, run_bat, preset):
    """Those of uv, of the ones that may be preset."""

    def read():
        noted = windows.noted(run_bat, "uv.stub.variables")
        return {name: value for name, _, value in (line.partition("=") for line in noted) if name in preset}

    return read


def test_a_start_gives_uv_the_project_and_the_arguments_and_passes_on_its_exit_code(
    windows, run_bat, variables, preset
):
    windows.install(run_bat, "uv", NOTE_VARIABLES, "exit /b 7")
    elsewhere = run_bat.parents[1]
    ended = windows.run(run_bat, "--port", "9000", "--prompt", "salt & pepper (new)", cwd=elsewhere)
    project = f'--project "{windows.path(run_bat.parent)}\\."'
    assert windows.calls(run_bat, "uv") == [
        f'run --no-dev  {project} reswhis --port 9000 --prompt "salt & pepper (new)"'
    ]
    assert ended.code == 7
    assert variables() == preset
    assert PRESS_A_KEY not in ended.text.lower()


def test_what_the_user_has_set_is_kept(windows, run_bat, variables, preset):
    windows.install(run_bat, "uv", NOTE_VARIABLES)
    own = {"MODEL_SIZE": "small", "LANGUAGE": "de", "USE_VOICE_ACTIVITY_CONTROLLER": "False"}
    assert windows.run(run_bat, **own).code == 0
    assert variables() == preset | own


@pytest.mark.parametrize("named", ["flag", "variable"])
def test_nothing_is_set_for_whoever_names_a_configuration_file(windows, run_bat, variables, named):
    windows.install(run_bat, "uv", NOTE_VARIABLES)
    if named == "flag":
        windows.run(run_bat, "--config=my own.toml")
    else:
        windows.run(run_bat, RESWHIS_CONFIG="my own.toml")
    assert windows.calls(run_bat, "uv")
    assert variables() == {}


def test_a_window_stays_open_after_an_error_only(windows, run_bat):
    windows.install(run_bat, "uv", "exit /b %RESULT%")
    failed = windows.double_click(run_bat, RESULT="2")
    assert failed.code == 2
    assert "ended with an error (exit code 2)" in failed.text
    assert PRESS_A_KEY in failed.text.lower()
    stopped = windows.double_click(run_bat, RESULT="130")
    assert stopped.code == 130
    assert PRESS_A_KEY not in stopped.text.lower()


def test_a_window_says_where_to_go_and_how_to_stop(windows, run_bat):
    windows.install(run_bat, "uv")
    text = windows.double_click(run_bat).text
    assert "First start" in text
    assert "in a browser" in text
    assert 'the language "en"' in text
    assert "Ctrl-C" in text


def test_without_uv_and_python_the_official_command_is_shown_and_asked_about(windows, run_bat):
    windows.install(run_bat, "powershell")
    ended = windows.run(run_bat, typed="n\n")
    assert "https://astral.sh/uv/install.ps1 | iex" in ended.text
    assert "Nothing was installed" in ended.text
    assert ended.code == 1
    assert windows.calls(run_bat, "powershell") == []


def test_nobody_there_to_answer_means_no(windows, run_bat):
    windows.install(run_bat, "powershell")
    ended = windows.run(run_bat)
    assert "Nothing was installed" in ended.text
    assert ended.code == 1
    assert windows.calls(run_bat, "powershell") == []


PYTHON_WITHOUT_UV = (
    'if "%2"=="-c" exit /b 0',
    'if "%2 %3 %4"=="-m pip install" (echo yes>"%~dp0uv_is_there" & exit /b %PIP%)',
    'if exist "%~dp0uv_is_there" exit /b 0',
    "exit /b 1",
)


def test_with_python_pip_installs_uv_when_allowed_and_reswhis_starts(windows, run_bat):
    windows.install(run_bat, "python", *PYTHON_WITHOUT_UV)
    ended = windows.run(run_bat, "--port", "9", typed="y\n", PIP="0")
    called = windows.calls(run_bat, "python")
    assert "-m pip install uv" in called
    assert called[-1].startswith("-m uv run --no-dev")
    assert called[-1].endswith("reswhis --port 9")
    assert ended.code == 0


def test_an_installation_of_uv_that_fails_is_said(windows, run_bat):
    windows.install(run_bat, "python", *PYTHON_WITHOUT_UV)
    ended = windows.run(run_bat, typed="yes\n", PIP="1")
    assert "uv could not be installed" in ended.text
    assert ended.code == 1


def test_an_nvidia_gpu_brings_its_libraries_unless_the_processor_is_chosen(windows, run_bat):
    windows.install(run_bat, "uv")
    windows.install(run_bat, "nvidia-smi")
    text = windows.run(run_bat).text
    windows.run(run_bat, RESWHIS_DEVICE="cpu")
    with_gpu, without = windows.calls(run_bat, "uv")
    assert "--extra cuda" in with_gpu
    assert "more than 600 MB" in text
    assert "--extra cuda" not in without


# websocat_client.bat


@pytest.fixture
def client(tmp_path, windows):
    script = copy_of("clients/websocat_client.bat", tmp_path)
    windows.install(script, "websocat", "set /p heard=", '>"%~dpn0.heard" echo %heard%', "exit /b %RESULT%")
    return script


def install_ffmpeg(windows, script, listing):
    """Lists these devices, and a microphone is a line of text."""
    (windows.programs(script) / "listing.txt").write_text(listing, "utf-8", newline="\r\n")
    windows.install(
        script,
        "ffmpeg",
        'if "%3"=="-list_devices" (type "%~dp0listing.txt" 1>&2 & exit /b 1)',
        'if "%4"=="error" exit /b %MICROPHONE%',
        "echo speech",
    )


STREAM = "-loglevel error -f dshow -i audio={} -ac 1 -ar 16000 -f s16le -"


@pytest.mark.parametrize(
    ("listing", "choice", "device"),
    [
        (FFMPEG_4, "2", "Line In (Jack)"),
        (FFMPEG_7, "", f"{WAVE}{{A}}"),
        (FFMPEG_7, "2", f"{WAVE}{{B}}"),
    ],
)
def test_the_chosen_microphone_is_streamed(windows, client, listing, choice, device):
    install_ffmpeg(windows, client, listing)
    ended = windows.run(client, typed=f"{choice}\n", RESULT="0", MICROPHONE="0")
    assert ended.text.count("Microphone (2- R&D Audio!)") == 1
    assert "Camera" not in ended.text
    called = [call.replace('"', "") for call in windows.calls(client, "ffmpeg")]
    assert called[-1] == STREAM.format(device)
    assert windows.calls(client, "websocat") == ['--binary -n "ws://localhost:8000/ws/transcribe"']
    assert windows.noted(client, "websocat.stub.heard") == ["speech"]
    assert ended.code == 0


def test_a_number_that_is_not_in_the_list_chooses_nothing(windows, client):
    install_ffmpeg(windows, client, FFMPEG_7)
    ended = windows.run(client, typed="3\n", RESULT="0", MICROPHONE="0")
    assert "a number from 1 to 2" in ended.text
    assert ended.code == 1
    assert windows.calls(client, "websocat") == []


def test_another_server_is_an_argument_and_its_absence_an_error(windows, client):
    url = "ws://pc:80/ws/transcribe?language=de&prompt=a b"  # quoted for its blank, as a user has to for &
    install_ffmpeg(windows, client, FFMPEG_4)
    ended = windows.run(client, url, typed="1\n", RESULT="3", MICROPHONE="0")
    assert windows.calls(client, "websocat") == [f'--binary -n "{url}"']
    assert "Is the server running?" in ended.text
    assert ended.code == 3


def test_an_address_that_is_not_a_websocket_is_refused(windows, client):
    ended = windows.run(client, "http://localhost:8000")
    assert "must begin with ws://" in ended.text
    assert ended.code == 1


def test_a_microphone_that_cannot_be_opened_is_said_before_anything_is_streamed(windows, client):
    install_ffmpeg(windows, client, FFMPEG_7)
    ended = windows.run(client, typed="1\n", RESULT="0", MICROPHONE="1")
    assert "The microphone cannot be opened" in ended.text
    assert ended.code == 1
    assert windows.calls(client, "websocat") == []


def test_a_computer_without_a_microphone_is_told_what_ffmpeg_says(windows, client):
    install_ffmpeg(windows, client, NO_MICROPHONE)
    ended = windows.run(client)
    assert "finds no microphone" in ended.text
    assert "Could not enumerate audio only devices" in ended.text
    assert ended.code == 1


def test_missing_programs_are_named_with_where_they_are_to_be_had(windows, tmp_path):
    script = copy_of("clients/websocat_client.bat", tmp_path)
    ended = windows.double_click(script)
    assert "https://ffmpeg.org/download.html" in ended.text
    assert "https://github.com/vi/websocat/releases" in ended.text
    assert PRESS_A_KEY in ended.text.lower()
    assert ended.code == 1


# copy_cuda_dlls.bat


CUBLAS = ("cublas64_12.dll", "cublasLt64_12.dll")
CUDNN = ("cudnn64_9.dll", "cudnn_graph64_9.dll", "cudnn_ops64_9.dll")


@pytest.fixture
def copier(tmp_path):
    script = copy_of("copy_cuda_dlls.bat", tmp_path)
    fill(engine(script), "ctranslate2.dll", "cudnn64_9.dll", content="CTranslate2's")
    return script


def site_packages(script):
    return script.parent / ".venv" / "Lib" / "site-packages"


def engine(script):
    return site_packages(script) / "ctranslate2"


def fill(folder, *names, content):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(f"{name} of {content}")


def wheels(script):
    fill(site_packages(script) / "nvidia" / "cublas" / "bin", *CUBLAS, "nvblas64_12.dll", content="a wheel")
    fill(site_packages(script) / "nvidia" / "cudnn" / "bin", *CUDNN, content="a wheel")


def in_engine(script):
    return {path.name: path.read_text() for path in engine(script).iterdir()}


def test_the_wheels_libraries_are_copied_when_allowed_and_then_nothing_is_left_to_do(windows, copier):
    wheels(copier)
    before = in_engine(copier)
    shown = windows.run(copier, typed="n\n")
    for name in (*CUBLAS, *CUDNN):
        assert name in shown.text
    assert "reswhis finds these as they are" in shown.text
    assert "Nothing was copied" in shown.text
    assert in_engine(copier) == before

    copied = windows.run(copier, typed="y\n")
    assert "Copied." in copied.text
    assert copied.code == 0
    assert in_engine(copier) == before | {name: f"{name} of a wheel" for name in (*CUBLAS, *CUDNN)}

    again = windows.run(copier)
    assert "Nothing to do" in again.text
    assert again.code == 0


def test_libraries_of_a_cuda_installation_are_copied_without_a_question(windows, copier, tmp_path):
    programs = tmp_path / "Program Files (made up)"
    toolkits = programs / "NVIDIA GPU Computing Toolkit" / "CUDA"
    fill(toolkits / "v12.8" / "bin", *CUBLAS, content="CUDA 12.8")
    fill(toolkits / "v13.0" / "bin", "cublas64_13.dll", content="CUDA 13")
    versions = programs / "NVIDIA" / "CUDNN" / "v9.10" / "bin"
    fill(versions / "12.9", *CUDNN, content="cuDNN for 12.9")
    fill(versions / "13.0", *CUDNN, content="cuDNN for 13.0")
    ended = windows.run(copier, "/y", ProgramFiles=windows.path(programs))
    assert ended.code == 0
    copied = in_engine(copier)
    assert copied["cublasLt64_12.dll"] == "cublasLt64_12.dll of CUDA 12.8"
    assert {copied[name] for name in CUDNN} == {f"{name} of cuDNN for 12.9" for name in CUDNN}
    assert "cublas64_13.dll" not in copied


def test_where_there_is_no_cudnn_none_is_missed(windows, copier):
    fill(site_packages(copier) / "nvidia" / "cublas" / "bin", *CUBLAS, content="a wheel")
    before = in_engine(copier)
    ended = windows.run(copier, "/y")
    assert ended.code == 0
    assert in_engine(copier) == before | {name: f"{name} of a wheel" for name in CUBLAS}


def test_libraries_found_nowhere_are_one_command_away(windows, copier):
    ended = windows.run(copier, "/y")
    assert "uv sync --extra cuda" in ended.text
    assert ended.code == 1


def test_before_the_first_start_there_is_nowhere_to_copy_to(windows, tmp_path):
    ended = windows.double_click(copy_of("copy_cuda_dlls.bat", tmp_path))
    assert "Start run.bat first" in ended.text
    assert PRESS_A_KEY in ended.text.lower()
    assert ended.code == 1
