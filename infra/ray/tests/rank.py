"""One process of a job of several, with a store on disk; started by `test_several_processes.py`."""

import os
import sys
from pathlib import Path

import boto3
import torch
from fake_s3 import DiskObjects, FakeS3

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
boto3.client = lambda *_, **__: FakeS3(DiskObjects(Path(os.environ["TEST_STORE"])))
torch.set_num_threads(1)

from rmr1_ray.__main__ import main  # noqa: E402 - the store must be replaced first

code = main()
sys.stdout.flush()
os._exit(code)
