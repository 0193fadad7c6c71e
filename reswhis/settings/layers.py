"""Fills the layers' own configurations from the settings: the only place where the two sets of names meet.

Not imported by :mod:`reswhis.settings` itself, since the layers bring NumPy and help must be quick.
Called by the application and by the commands that decode.
"""

from __future__ import annotations

from pydantic import SecretStr

from reswhis.backends.base import BackendConfig
from reswhis.backends.decoding import Decoding
from reswhis.core.commit import PolicyConfig
from reswhis.core.endpointing import EndpointingConfig
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.core.types import DecodeOptions
from reswhis.observability.session_log import DIRECTORY, SessionLogs
from reswhis.server.limits import FurtherModels, Limits

from .declaration import Settings

HELD_BESIDE_BACKLOG_S = 90.0
"""Above an utterance that is being decoded and what may arrive at once while the backlog is just below its bound."""


def backend_config(settings: Settings) -> BackendConfig:
    return BackendConfig(
        backend=settings.backend,
        model=settings.model if settings.model_dir is None else str(settings.model_dir),
        language=_language(settings),
        task=settings.task,
        beam_size=settings.beam_size,
        device=settings.device,
        device_indices=settings.device_index,
        compute_type=settings.compute_type,
        cpu_threads=settings.cpu_threads,
        workers=settings.workers,
        max_batch=settings.max_batch,
        encoder_context=settings.encoder_context,
        model_cache_dir=settings.model_cache_dir,
        vad_filter=settings.use_voice_activity_detection,
        decoding=Decoding(
            temperatures=settings.temperatures,
            best_of=settings.best_of,
            patience=settings.patience,
            length_penalty=settings.length_penalty,
            suppress_tokens=settings.suppress_tokens,
        ),
        openai_api_key=_secret(settings.openai_api_key),
        openai_base_url=settings.openai_base_url,
    )


def further_models(settings: Settings) -> FurtherModels:
    return FurtherModels(settings.allowed_models, settings.model_ttl_s, settings.max_loaded_models)


def session_config(settings: Settings) -> SessionConfig:
    """What a client cannot change."""
    return SessionConfig(
        step_s=settings.minimum_chunk_size,
        new_share=settings.new_audio_share,
        max_utterance_s=settings.max_utterance_s,
        preroll_s=settings.preroll_ms / 1000,
        sentence_pause_s=settings.sentence_pause_ms / 1000,
        buffer_trimming_s=settings.buffer_trimming_sec,
        max_held_s=settings.max_backlog_s + HELD_BESIDE_BACKLOG_S,
        multilingual=settings.multilingual,
        policy=PolicyConfig(
            name=settings.policy,
            n=settings.agreement_n,
            similarity=settings.similarity,
            fallback=settings.fallback,
            fallback_threshold=settings.fallback_threshold,
            holdback_s=settings.holdback_ms / 1000,
            min_probability=settings.min_probability,
        ),
    )


def stream_options(settings: Settings) -> StreamOptions:
    """What a session starts with unless its client asks otherwise."""
    return StreamOptions(
        decode=DecodeOptions(
            language=_language(settings),
            task=settings.task,
            beam_size=settings.beam_size,
            hotwords=settings.hotwords,
            encoder_context=settings.encoder_context,
        ),
        prompt=settings.prompt,
        vad=settings.use_voice_activity_controller,
        endpointing=EndpointingConfig(
            threshold=settings.vad_threshold,
            min_speech_s=settings.min_speech_ms / 1000,
            min_silence_s=settings.endpoint_ms / 1000,
        ),
    )


def limits(settings: Settings) -> Limits:
    return Limits(
        max_sessions=settings.max_sessions,
        max_frame_bytes=settings.max_frame_bytes,
        max_upload_bytes=settings.max_upload_bytes,
        idle_timeout_s=settings.idle_timeout_s,
        idle_flush_s=settings.idle_flush_s,
        max_session_s=settings.max_session_s,
        max_backlog_s=settings.max_backlog_s,
        write_timeout_s=settings.write_timeout_s,
        drain_timeout_s=settings.drain_timeout_s,
        keep_transcripts_s=settings.keep_transcripts_s,
        max_viewers=settings.max_viewers,
    )


def session_logs(settings: Settings) -> SessionLogs | None:
    if not settings.log_every_processor:
        return None
    return SessionLogs(settings.log_dir or DIRECTORY, settings.log_transcripts)


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def _language(settings: Settings) -> str | None:
    return None if settings.language == "auto" else settings.language
