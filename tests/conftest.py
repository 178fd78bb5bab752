"""What holds for all tests."""

from pathlib import Path

import pytest

BROWSER = Path(__file__).parent / "browser"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The browser's tests run by themselves: its driver keeps an event loop running, which others could not start in.

    So they run when their folder is named (`pytest tests/browser`, as `make test` does).
    """
    if collection_path != BROWSER:
        return None
    named = [Path(config.invocation_params.dir, argument.partition("::")[0]).resolve() for argument in config.args]
    return None if any(BROWSER in (path, *path.parents) for path in named) else True
