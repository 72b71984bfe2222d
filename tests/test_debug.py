"""Operations know the line that called them, where that was asked for."""

from pathlib import Path

import tinygrad_nd as nd


def test_sources_name_the_line_outside_the_library():
    x = nd.tensor([1.0, 2.0], requires_grad=True)
    with nd.debug.sources():
        y = nd.var(x)  # this line
    line = next(i for i, text in enumerate(Path(__file__).read_text().splitlines(), 1) if text.endswith("# this line"))
    assert y._node.extra["source"] == f"{__file__}:{line}"
    assert f"test_debug.py:{line}" in nd.draw(y, source=True).dot
    assert "test_debug.py" not in nd.draw(y).dot
    assert nd.exp(x)._node.extra is None
