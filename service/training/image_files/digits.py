"""scikit-learn's digits: 1,797 grey images of 8x8 with values 0..16, from its installed package.

The file is read as it lies: a row of 64 values and the class an image.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from service.training.image_files.base import (
    Arrays,
    Dataset,
    Found,
    ImagesError,
    Stored,
    check_count,
    checked_labels,
)


def packaged() -> Path | None:
    """Where the file lies, without importing the package; None where it isn't installed."""
    spec = find_spec("sklearn")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            return path
    return None


def read(dataset: Dataset, found: Found) -> Stored:
    """All images; a value v of 0..16 becomes v * 255 / 16, a half (8 alone) rounded up."""
    assert dataset.classes is not None
    assert dataset.image is not None
    try:
        table = np.loadtxt(found.path, delimiter=",")
    except (OSError, EOFError, ValueError) as error:
        raise ImagesError(f"{found.path}: can't be read: {error}") from error
    values = table.astype(np.int64)
    if values.ndim != 2 or values.shape[1] != 65 or not np.isin(values[:, :64], range(17)).all():
        raise ImagesError(f"{found.path}: not 64 values of 0..16 and a class in each row")
    check_count(len(values), dataset.stored[0], found.path)
    images = ((values[:, :64] * 255 + 8) // 16).astype(np.uint8)
    labels = checked_labels(values[:, 64], dataset.classes, found.path)
    return Stored(Arrays(images.reshape(-1, *dataset.image), labels))
