"""The part of boto3's S3 client that the store uses, in memory; it can be told to fail."""

from __future__ import annotations

import io
from pathlib import Path

from botocore.exceptions import ClientError


def refusal(status: int) -> ClientError:
    return ClientError({"ResponseMetadata": {"HTTPStatusCode": status}, "Error": {"Code": str(status)}}, "call")


class FakeS3:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
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
