"""``pytest tests/core --hypothesis-profile=thorough`` looks thirty times as hard."""

from hypothesis import settings

settings.register_profile("thorough", max_examples=3000, deadline=None)
