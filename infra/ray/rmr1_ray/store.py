"""The artefact store as a training job uses it; keys and records are those of `activities/artifacts`."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from .crash_point import crash_point
from .errors import JobError, bad_data

PART_BYTES = 16 * 2**20
PARTS_IN_FLIGHT = 4
_MANIFEST = "manifest.json"
Ref = dict[str, Any]


class Store:
    """One bucket, by the variables that the worker sends (`RMR1_S3_*`) and the credentials that the node has."""

    def __init__(self, client: Any = None) -> None:
        env = os.environ
        style: Literal["path", "auto"] = "path" if env.get("RMR1_S3_PATH_STYLE") != "false" else "auto"
        self.bucket = env["RMR1_S3_BUCKET"]
        self.prefix = env.get("RMR1_S3_PREFIX", "")
        self.encryption = env.get("RMR1_S3_SSE")
        self.client: Any = client or boto3.client(
            "s3",
            endpoint_url=env.get("RMR1_S3_ENDPOINT"),
            config=Config(
                s3={"addressing_style": style},
                retries={"mode": "standard", "max_attempts": 12},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def get(self, key: str) -> bytes | None:
        """The bytes under a key, or None where there are none."""
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)
            return bytes(answer["Body"].read())
        except ClientError as error:
            if _status(error) == 404:
                return None
            raise

    def put(self, key: str, body: bytes, once: bool = False) -> bool:
        """Write bytes; with `once`, only where nothing is yet. Returns whether this call wrote."""
        more = {"IfNoneMatch": "*"} if once else {}
        if self.encryption:
            more["ServerSideEncryption"] = self.encryption
        try:
            self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=body, **more)
            return True
        except ClientError as error:
            if once and _status(error) in (409, 412):
                return False
            raise

    def get_json(self, key: str) -> Any:
        body = self.get(key)
        return None if body is None else json.loads(body)

    def put_json(self, key: str, value: object, once: bool = False) -> bool:
        return self.put(key, canonical_json(value), once)

    def exists(self, key: str) -> bool:
        try:
            self.client.head_object(Bucket=self.bucket, Key=self.prefix + key)
            return True
        except ClientError as error:
            if _status(error) == 404:
                return False
            raise

    def list(self, prefix: str) -> dict[str, int]:
        """Sizes of all objects below a prefix, by key."""
        found: dict[str, int] = {}
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix + prefix)
        for page in pages:
            for item in page.get("Contents", []):
                found[item["Key"][len(self.prefix) :]] = item["Size"]
        return found

    def upload(self, key: str, path: Path) -> dict[str, Any]:
        """A file under a key, large ones in parts. Returns its seal."""
        from boto3.s3.transfer import TransferConfig

        extra = {"ServerSideEncryption": self.encryption} if self.encryption else {}
        transfer = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES)
        self.client.upload_file(str(path), self.bucket, self.prefix + key, ExtraArgs=extra, Config=transfer)
        return {"sha256": hash_file(path), "bytes": path.stat().st_size}

    def download(self, key: str, path: Path, sha256: str, size: int) -> None:
        """An object into a file, verified. Raises JobError `CorruptArtifact`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.client.download_file(self.bucket, self.prefix + key, str(path))
        except ClientError as error:
            if _status(error) == 404:
                raise JobError("CorruptArtifact", f"s3://{self.bucket}/{self.prefix}{key} is missing") from error
            raise
        if path.stat().st_size != size or hash_file(path) != sha256:
            raise JobError("CorruptArtifact", f"s3://{self.bucket}/{self.prefix}{key} is not what was stored")

    def download_parts(self, root: str, files: Iterable[dict[str, Any]], directory: Path) -> None:
        """Files below a key into a directory, verified by their seals. Raises JobError `CorruptArtifact`."""
        for file in files:
            self.download(root + file["path"], _inside(directory, file["path"]), file["sha256"], file["bytes"])

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{key}"

    # Artefacts: objects named by their hash, directories as the listing of theirs.

    def fetch(self, ref: Ref, path: Path) -> None:
        self.download(_object_key(ref["sha256"]), path, ref["sha256"], ref["bytes"])

    def fetch_directory(self, ref: Ref, directory: Path, wanted: Callable[[str], bool] = lambda _: True) -> None:
        body = self.get(_object_key(ref["sha256"]))
        if body is None or hashlib.sha256(body).hexdigest() != ref["sha256"]:
            raise bad_data(f"{ref['uri']} is missing or corrupt: delete the manifest of the stage that made it")
        for file in (file for file in json.loads(body)["files"] if wanted(file["path"])):
            target = _inside(directory, file["path"])
            self.download(_object_key(file["sha256"]), target, file["sha256"], file["bytes"])

    def put_artifact(self, kind: str, path: Path) -> Ref:
        sha256, size = hash_file(path), path.stat().st_size
        key = _object_key(sha256)
        if not self.exists(key):
            self.upload(key, path)
        return {"uri": self.uri(key), "sha256": sha256, "bytes": size, "kind": kind}

    def put_directory(self, kind: str, directory: Path) -> Ref:
        files = []
        for path in list_files(directory):
            ref = self.put_artifact(kind, directory / path)
            files.append({"path": path, "sha256": ref["sha256"], "bytes": ref["bytes"]})
        body = canonical_json({"format": "rmr1-directory/1", "files": files})
        sha256 = hashlib.sha256(body).hexdigest()
        self.put(_object_key(sha256), body, once=True)
        return {"uri": self.uri(_object_key(sha256)), "sha256": sha256, "bytes": len(body), "kind": kind}


class Checkpoints:
    """Checkpoints of one stage, written by one attempt: parts first, manifest last, refused once a later attempt began."""

    def __init__(self, store: Store, stage_key: str, attempt: int) -> None:
        self.store = store
        self.stage_key = stage_key
        self.attempt = attempt

    def assert_held(self) -> None:
        """Raises JobError `Fenced` where a later attempt has taken the stage over."""
        standing = (self._fence() or {}).get("attempt", 0)
        if standing > self.attempt:
            raise JobError(
                "Fenced",
                f"Attempt {self.attempt} of stage {self.stage_key[:12]} may not write: attempt {standing} has taken over.",
            )

    def save(self, step: int, directory: Path) -> None:
        """Store every file below `directory` as the checkpoint of a step."""
        self.assert_held()
        root = self._root(step, self.attempt)
        if self.store.get(root + _MANIFEST) is not None:
            return
        paths = list_files(directory)
        with ThreadPoolExecutor(PARTS_IN_FLIGHT) as pool:
            seals = list(pool.map(lambda path: self.store.upload(root + path, directory / path), paths))
        self.complete(step, [{"path": path, **seal} for path, seal in zip(paths, seals)])

    def complete(self, step: int, files: list[dict[str, Any]]) -> None:
        """Write the manifest of a step whose parts are all in the store. Raises JobError `Fenced`."""
        manifest = {
            "format": "rmr1-checkpoint/1",
            "stageKey": self.stage_key,
            "step": step,
            "attempt": self.attempt,
            "files": files,
            "createdAt": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        crash_point("ray.before-manifest")
        self.assert_held()
        self.store.put_json(self.root(step) + _MANIFEST, manifest, once=True)

    def root(self, step: int) -> str:
        """Where this attempt's parts of a step lie."""
        return self._root(step, self.attempt)

    def manifests(self) -> Iterator[dict[str, Any]]:
        """Complete checkpoints, newest first: their `step`, the `root` of their parts and the seals of these (`files`)."""
        for step, attempt in self._newest_first():
            root = self._root(step, attempt)
            try:
                manifest = self.store.get_json(root + _MANIFEST)
                files = [{"path": file["path"], "sha256": file["sha256"], "bytes": file["bytes"]} for file in manifest["files"]]
            except (ValueError, KeyError, TypeError) as error:
                print(f"checkpoint of step {step}, attempt {attempt} cannot be used: {error}", flush=True)
                continue
            yield {"step": step, "root": root, "files": files}

    def fetch(self, directory: Path) -> int | None:
        """The newest checkpoint that verifies, into `directory`; its step, or None. Corrupt ones are passed over."""
        for step, attempt in self._newest_first():
            root = self._root(step, attempt)
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            try:
                manifest = self.store.get_json(root + _MANIFEST)
                self.store.download_parts(root, manifest["files"], directory)
                return step
            except (JobError, ValueError, KeyError, TypeError) as error:
                print(f"checkpoint of step {step}, attempt {attempt} cannot be used: {error}", flush=True)
        return None

    def _newest_first(self) -> Iterable[tuple[int, int]]:
        found = set()
        for key in self.store.list(f"checkpoints/{self.stage_key}/step-"):
            match = re.search(r"/step-(\d+)/attempt-(\d+)/manifest\.json$", key)
            if match:
                found.add((int(match[1]), int(match[2])))
        claims = (self._fence() or {}).get("claims", [])
        return sorted((each for each in found if _is_on_line(*each, claims)), reverse=True)

    def _fence(self) -> Any:
        return self.store.get_json(f"checkpoints/{self.stage_key}/fence.json")

    def _root(self, step: int, attempt: int) -> str:
        return f"checkpoints/{self.stage_key}/step-{step:08d}/attempt-{attempt}/"


def _is_on_line(step: int, attempt: int, claims: list[dict[str, Any]]) -> bool:
    """What a fenced attempt squeezed in after its successor had taken over does not count."""
    return all(
        claim["attempt"] <= attempt or (claim["from"] is not None and step <= claim["from"]["step"]) for claim in claims
    )


def canonical_json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")


def hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def list_files(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def _object_key(sha256: str) -> str:
    return f"objects/{sha256[:2]}/{sha256}"


def _inside(directory: Path, path: str) -> Path:
    target = (directory / path).resolve()
    if not target.is_relative_to(directory.resolve()):
        raise bad_data(f"the entry {path!r} points outside its directory")
    return target


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
