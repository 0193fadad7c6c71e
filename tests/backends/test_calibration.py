import pytest

from reswhis.backends.calibration import MOST_WORKERS, ON_GPU, Layout, batch_on_gpu, best, calibrate, layouts

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("cores", "tried"), [(1, [(1, 1)]), (2, [(2, 1), (1, 2)]), (16, [(8, 1), (4, 4), (2, 8)]), (3, [(3, 1), (1, 2)])]
)
def test_cores_are_shared_in_a_few_ways(cores, tried):
    assert [(layout.workers, layout.threads) for layout in layouts(cores, 8)] == tried


@pytest.mark.parametrize("cores", range(1, 100))
def test_no_layout_has_more_threads_than_there_are_cores(cores):
    assert all(1 <= each.workers <= MOST_WORKERS and each.workers * each.threads <= cores for each in layouts(cores, 8))


def test_a_small_model_has_many_workers_and_a_slow_one_all_cores():
    many, one = layouts(2, 8)
    assert best({many: 0.05, one: 0.06}) == many
    assert best({many: 2.0, one: 1.1}) == one


def test_of_layouts_that_are_quick_enough_the_one_that_decodes_most_is_taken():
    assert best({Layout(8, 1): 0.29, Layout(4, 4): 0.1, Layout(2, 8): 0.06}) == Layout(4, 4)


def test_where_there_is_no_choice_nothing_is_timed():
    def never(layout):
        raise AssertionError

    assert calibrate([Layout(1, 1)], never) == Layout(1, 1)


def test_a_batch_on_a_gpu_is_as_large_as_half_of_what_is_free():
    assert batch_on_gpu(140 * GB, 3 * GB, 1) == ON_GPU
    assert 1 < batch_on_gpu(8 * GB, 3 * GB, 1) < ON_GPU
    assert batch_on_gpu(8 * GB, 3 * GB, 2) < batch_on_gpu(8 * GB, 3 * GB, 1)
    assert batch_on_gpu(1 * GB, 3 * GB, 1) == 1
