import json
import os
import sys
from pathlib import Path

import pytest

RAY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(RAY), str(RAY / "tests")]
# What the workers that Ray starts import.
os.environ["PYTHONPATH"] = os.pathsep.join([str(RAY), str(RAY / "tests"), str(RAY / "tests-verl"), os.environ.get("PYTHONPATH", "")])


@pytest.fixture(scope="session")
def paper_specs():
    """Specifications of the paper's recipes, as `test/ray/verl-specs.test.ts` made them."""
    return json.loads((RAY / "tests" / "golden" / "verl-specs.json").read_text("utf-8"))
