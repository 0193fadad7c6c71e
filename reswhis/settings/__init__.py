"""What can be set, and the values in force. Used by the application and the command line, by no layer below them.

``declaration`` says what there is, made of ``sections``; ``sources`` gathers the values, ``layers`` hands them on.
"""

from .declaration import Settings
from .pages import reference
from .sections.field import Group
from .sources import from_sources

__all__ = ["Group", "Settings", "from_sources", "reference"]
