"""The settings by subject: one class of fields each, with what must hold of each field alone.

:mod:`reswhis.settings.declaration` makes one class of them.
"""
