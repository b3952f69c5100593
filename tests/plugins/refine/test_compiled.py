"""Compiled loops work where their machine code can be kept, and where it cannot."""

from plugins.refine import permutohedral
from plugins.refine.compiled import compiled


def test_code_is_kept_beside_its_source():
    assert permutohedral._blur.stats.cache_path


def test_where_no_code_can_be_kept_it_is_compiled_all_the_same():
    space = {}
    exec('def twice(x):\n    return 2 * x', space)  # no file, and so no folder beside it
    twice = compiled(space['twice'])
    assert twice(21) == 42 and twice.stats.cache_path is None
