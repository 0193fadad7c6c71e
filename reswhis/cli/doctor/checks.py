"""The checks in the order in which they are shown. A new one is a row here."""

from __future__ import annotations

from . import gpu, installation, network, sound, weights
from .examination import Row

ROWS = (
    Row("reswhis", installation.versions),
    Row("settings", installation.settings),
    Row("GPU", gpu.device),
    Row("CUDA libraries", gpu.libraries),
    Row("compute types", gpu.compute_types),
    Row("MLX", installation.mlx),
    Row("PyTorch", installation.torch),
    Row("recognisers", installation.recognisers),
    Row("model", weights.model),
    Row("model cache", weights.cache),
    Row("certificate", network.certificate),
    Row("port", network.port),
    Row("gRPC", network.grpc_ports),
    Row("browsers", network.browsers),
    Row("microphone", sound.microphone),
)
