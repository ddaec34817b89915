from typing import Any

from services.reclusterer.clustering.jit import compiled


def test_a_function_whose_code_cannot_be_kept_on_disk_is_compiled_all_the_same() -> None:
    # Code that comes from no file has no place for its machine code, as a module in a read-only container has none.
    names: dict[str, Any] = {}
    exec("def doubled(number):\n    return 2 * number", names)  # noqa: S102  the way to a function without a file
    assert compiled(names["doubled"])(4.0) == 8.0
