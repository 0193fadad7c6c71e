"""What counts as speech, and which silence ends an utterance."""

from __future__ import annotations

from .field import Group, Section, setting


class VoiceActivity(Section):
    use_voice_activity_controller: bool = setting(
        Group.VOICE_ACTIVITY,
        True,
        "End an utterance when the speaker pauses; without, only the client ends one.",
        flags=("vac",),
        variable="USE_VOICE_ACTIVITY_CONTROLLER",
    )
    use_voice_activity_detection: bool = setting(
        Group.VOICE_ACTIVITY,
        False,
        "Leave silences of two seconds and more out of what the recogniser hears of an utterance.",
        flags=("vad",),
        variable="USE_VOICE_ACTIVITY_DETECTION",
    )
    vad_threshold: float = setting(
        Group.VOICE_ACTIVITY, 0.5, "Probability of speech from which audio counts as speech.", ge=0.01, le=0.99
    )
    endpoint_ms: int = setting(
        Group.VOICE_ACTIVITY, 500, "Silence that ends an utterance.", ge=100, le=10_000, unit="milliseconds"
    )
    sentence_pause_ms: int = setting(
        Group.VOICE_ACTIVITY,
        300,
        "Silence after a sentence that makes it final, although the utterance may go on; 10000: none does.",
        ge=100,
        le=10_000,
        unit="milliseconds",
    )
    min_speech_ms: int = setting(
        Group.VOICE_ACTIVITY, 100, "Speech that it takes to start an utterance.", ge=0, le=1000, unit="milliseconds"
    )
