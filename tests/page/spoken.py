"""What is said to the page, and how much of it is in a text, word by word."""

import re

FIRST = "It was my all, and I've lost it."
SECOND = "And till he could find a seat by her, would not sit at all."


def words(text):
    return re.findall(r"[\w']+", text.lower())


def share(sentence, text):
    """Of the sentence's words, those that are in the text: the model is a small one and mishears a few."""
    wanted, heard = words(sentence), words(text)
    return sum(word in heard for word in wanted) / len(wanted)
