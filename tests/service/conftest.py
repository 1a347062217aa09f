"""What several tests of the service share."""

from __future__ import annotations

import pytest

from data.library import Library
from tests.service.lab import Lab


@pytest.fixture
def lab(fresh: Library) -> Lab:
    return Lab(fresh)
