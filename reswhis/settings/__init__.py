"""What can be set, and the values in force. Used by the application and the command line, by no layer below them.

``declaration`` says what there is, ``sources`` gathers the values, ``layers`` hands them on.
"""

from .declaration import Group, Settings
from .pages import reference
from .sources import from_sources

__all__ = ["Group", "Settings", "from_sources", "reference"]
