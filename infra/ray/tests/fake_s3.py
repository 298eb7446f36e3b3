"""The part of boto3's S3 client that the store uses, in memory; it can be told to fail."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from urllib.parse import quote, unquote

from botocore.exceptions import ClientError


def refusal(status: int) -> ClientError:
    return ClientError({"ResponseMetadata": {"HTTPStatusCode": status}, "Error": {"Code": str(status)}}, "call")


class DiskObjects(MutableMapping):
    """Objects as files of a directory, for processes that share a store."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def __getitem__(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError as error:
            raise KeyError(key) from error

    def __setitem__(self, key: str, body: bytes) -> None:
        part = self.directory / f".{os.getpid()}-{id(body)}"
        part.write_bytes(body)
        part.rename(self._path(key))

    def __delitem__(self, key: str) -> None:
        self._path(key).unlink()

    def __iter__(self) -> Iterator[str]:
        return (unquote(path.name) for path in self.directory.iterdir() if not path.name.startswith("."))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _path(self, key: str) -> Path:
        return self.directory / quote(key, safe="")


class FakeS3:
    def __init__(self, objects: MutableMapping | None = None) -> None:
        self.objects: MutableMapping = {} if objects is None else objects
        self.writes: list[str] = []
        self.before_write = lambda key: None

    def get_object(self, Bucket, Key):
        if Key not in self.objects:
            raise refusal(404)
        return {"Body": io.BytesIO(self.objects[Key])}

    def head_object(self, Bucket, Key):
        if Key not in self.objects:
            raise refusal(404)
        return {}

    def put_object(self, Bucket, Key, Body, IfNoneMatch=None, **_):
        self.before_write(Key)
        if IfNoneMatch and Key in self.objects:
            raise refusal(412)
        self.objects[Key] = Body
        self.writes.append(Key)

    def upload_file(self, path, Bucket, Key, ExtraArgs=None, Config=None):
        self.before_write(Key)
        self.objects[Key] = Path(path).read_bytes()
        self.writes.append(Key)

    def download_file(self, Bucket, Key, path):
        if Key not in self.objects:
            raise refusal(404)
        Path(path).write_bytes(self.objects[Key])

    def get_paginator(self, name):
        client = self

        class Pages:
            def paginate(self, Bucket, Prefix):
                found = [{"Key": key, "Size": len(body)} for key, body in client.objects.items() if key.startswith(Prefix)]
                yield {"Contents": found[:1]}
                yield {"Contents": found[1:]}

        return Pages()
