"""Live speech-to-text server: stream audio over a network, read the words while they are being said."""

from importlib.metadata import version

__version__ = version("reswhis")
