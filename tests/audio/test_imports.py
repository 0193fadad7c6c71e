"""Nothing heavy is imported before it is needed."""

import subprocess
import sys

SCRIPT = """
import sys
import reswhis.audio.file_pieces, reswhis.audio.files, reswhis.audio.input, reswhis.audio.pcm, reswhis.audio.resample
from reswhis.audio.vad import SileroVAD
heavy = {"av", "ctranslate2", "faster_whisper", "librosa", "onnxruntime", "soundfile", "soxr"}
print("at import:", *sorted(heavy & sys.modules.keys()))
SileroVAD().stream().score
print("for the VAD:", *sorted(heavy & sys.modules.keys()))
"""


def test_heavy_libraries_wait_and_the_vad_does_not_import_faster_whisper():
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60)

    assert ran.stdout.splitlines() == ["at import:", "for the VAD: onnxruntime"]
