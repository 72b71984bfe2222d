"""The README's code runs as it stands, and its commands are the ones that CI calls."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)


def test_code_in_the_readme_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "readme"}
    for code in BLOCKS:
        exec(compile(code, "README.md", "exec"), names)
    assert (tmp_path / "graph.svg").exists()


def test_readme_gives_exactly_two_set_up_commands() -> None:
    commands = [line for line in README.splitlines() if line.startswith("    ") and "pip install" in line]
    assert len(commands) == 2
    assert commands[0].endswith("examples/photos_cnn.py") and "-m pytest" in commands[1]


def test_ci_runs_the_readmes_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert "README.md" in script and "pip install" not in script


def test_files_named_in_the_readme_exist() -> None:
    for name in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (ROOT / name).exists(), name
