"""How the end of a session is told: close codes of WebSockets, and sentences for ends that no client has caused.

Tables alone. Read by the native codec, and by others that say the same in their own words.
"""

CLOSE_CODES = {
    "idle_timeout": 4408,
    "session_limit": 4408,
    "overloaded": 1013,
    "model_unavailable": 1011,
    "frame_too_large": 1009,
    "slow_reader": 1013,
    "server_restart": 1012,
    "engine_stopped": 1011,
    "internal_error": 1011,
}
"""What is not here is the client's fault: 1008."""
EXPLANATIONS = {
    "engine_stopped": "the recogniser has stopped; the server's log says why",
    "internal_error": "an error inside the server; its log says more",
    "server_restart": "the server stops",
    "session_limit": "the session is as long as it may be",
}
