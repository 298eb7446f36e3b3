"""The specification of a job, as the worker wrote it: `activities/ray/training-spec.ts` is its definition."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import jsonschema

from .errors import bad_job

Spec = dict[str, Any]


def check_spec(value: object) -> Spec:
    """The value, if it is a specification. Raises JobError naming the field that is wrong."""
    schema = schema_of("training")
    kind = value.get("kind") if isinstance(value, dict) else None
    matching = [part for part in schema["oneOf"] if part["properties"]["kind"]["const"] == kind]
    if not isinstance(value, dict) or not matching:
        raise bad_job(f"the specification asks for a job of kind {kind!r}, which this version does not know")
    return require(matching[0], value)


def schema_of(kind: str) -> Any:
    """The schema of a specification, as TypeScript gives it out."""
    return json.loads(resources.files(__package__).joinpath(f"{kind}-spec.schema.json").read_text("utf-8"))


def require(schema: Any, value: object) -> Spec:
    """The value, if the schema allows it. Raises JobError naming the field that is wrong."""
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(value))
    if error is not None or not isinstance(value, dict):
        where = ".".join(str(part) for part in error.absolute_path) if error else ""
        raise bad_job(f"{where or 'the specification'}: {error.message if error else 'not an object'}")
    return value


def processes_of(spec: Spec) -> int:
    """Processes that train together: one for each GPU, or one on each node where there are none."""
    return int(spec["nodes"]) * max(1, int(spec["gpus"]))


def trains_with_verl(spec: Spec) -> bool:
    """Whether the job is verl's, which places its own processes and has packages of its own."""
    return spec.get("trainer") == "verl"


def check_packages(wanted: dict[str, str]) -> None:
    """Other versions train other numbers, or not at all: refuse before anything begins."""
    from importlib import metadata

    wrong = []
    for name, version in wanted.items():
        try:
            found = metadata.version(name).split("+")[0]
        except metadata.PackageNotFoundError:
            found = "none"
        if found != version:
            wrong.append(f"{name} {found} (needs {version})")
    if wrong:
        lock = "verl-requirements.txt" if "verl" in wanted else "requirements.txt"
        raise bad_job(f"the cluster's Python environment does not fit: {', '.join(wrong)}; install infra/ray/{lock} on its nodes")
