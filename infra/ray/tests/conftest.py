import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


@pytest.fixture
def golden():
    """Reads what `test/ray/golden.test.ts` computed."""
    return lambda name: json.loads((Path(__file__).parent / "golden" / name).read_text("utf-8"))
