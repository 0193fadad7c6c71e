import numpy as np

from reswhis.backends.attention_path import attention_path


def looking_at(*steps, columns):
    """Attention of one head, each token at one step; the first row is a token before the text, the last one its end."""
    attention = np.full((1, len(steps) + 2, columns), 0.01, np.float32)
    for row, step in enumerate(steps, start=1):
        attention[0, row, max(0, step - 3) : step + 4] = 1
    return attention / attention.sum(axis=-1, keepdims=True)


def first_steps(path):
    found = {}
    for token, step in path:
        found.setdefault(token, step)
    return list(found.values())


def test_each_token_begins_near_where_the_network_looked_for_it():
    path = attention_path(looking_at(5, 30, 45, 80, columns=100), 1)
    assert path[0] == (0, 0) and path[-1] == (3, 99)
    assert np.allclose(first_steps(path)[1:], (30, 45, 80), atol=6)


def test_the_path_never_goes_back_and_leaves_nothing_out_whatever_the_attention_is():
    rng = np.random.default_rng(0)
    for tokens, steps in ((1, 1), (1, 40), (12, 3), (30, 200)):
        path = np.array(attention_path(rng.random((4, tokens + 3, steps), np.float32), 2))
        assert path[0].tolist() == [0, 0] and path[-1].tolist() == [tokens - 1, steps - 1]
        assert {tuple(move) for move in np.diff(path, axis=0)} <= {(0, 1), (1, 0), (1, 1)}


def test_no_other_path_is_cheaper():
    """The attention of a moment is the median of seven, so steps are seven wide here."""
    rng = np.random.default_rng(1)
    matrix = rng.random((5, 4), np.float32)
    attention = np.repeat(matrix, 7, axis=1)[np.newaxis]
    standard = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    path = attention_path(attention, 1)

    def cost(path):
        return sum(-standard[token + 1, step // 7] for token, step in path)

    others = [cost(other) for other in paths(3, 28, rng)]
    assert cost(path) <= min(others) + 1e-4 < np.median(others)


def paths(tokens, steps, rng):
    """Some hundreds, at random."""
    for _ in range(300):
        turns = rng.choice(np.arange(1, steps), tokens - 1, replace=False)
        yield [(int(np.sum(step >= turns)), step) for step in range(steps)]


def test_where_all_tokens_look_alike_there_is_a_path_all_the_same():
    assert attention_path(np.full((2, 5, 1), 1.0, np.float32), 2)[-1] == (1, 0)
