"""Files that a sync leaves on a storage: readable by their owner only, and looked at before they are replaced."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsspec.implementations.local import LocalFileSystem

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath


def make_private(path: ObjectStoragePath) -> None:
    """On this machine: make a file that only its owner may read and write, before anything is in it.

    Other storages have their own rules about who may read.
    """
    if isinstance(path.fs, LocalFileSystem):
        descriptor = os.open(path.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)


def write_private(path: ObjectStoragePath, content: bytes) -> None:
    """Write a small file, which only its owner may read on this machine: all of it is seen at once, or nothing."""
    if not isinstance(path.fs, LocalFileSystem):
        path.write_bytes(content)
        return
    beside = path.parent / f".{path.name}.{secrets.token_hex(4)}"
    make_private(beside)
    beside.write_bytes(content)
    Path(beside.path).replace(path.path)


def names_in(folder: ObjectStoragePath) -> set[str]:
    """The names of what is in a folder; nothing, where there is no such folder: object stores have none."""
    folder.fs.invalidate_cache(folder.path)  # others write there too
    try:
        paths: list[str] = folder.fs.ls(folder.path, detail=False)
    except FileNotFoundError:
        return set()
    return {path.rstrip("/").rpartition("/")[2] for path in paths}


def size_of(path: ObjectStoragePath) -> int | None:
    """How many bytes a file has; ``None`` if there is nothing at this path.

    :raises IsADirectoryError: it is a folder.
    :raises ValueError: it is a device, a pipe, or anything else whose size nobody knows.
    """
    path.fs.invalidate_cache(path.path)  # others write there too
    try:
        info: dict[str, Any] = path.fs.info(path.path)
    except FileNotFoundError:
        return None
    if info.get("type") == "directory":
        raise IsADirectoryError(str(path))
    size = info.get("size")
    if info.get("type") != "file" or not isinstance(size, int):
        raise ValueError("it is no regular file")
    return size


def start_of(path: ObjectStoragePath, length: int) -> bytes | None:
    """The first bytes of a file, however long it is; ``None`` if there is no file.

    :raises IsADirectoryError: it is a folder.
    :raises ValueError: it is no regular file.
    """
    if size_of(path) is None:
        return None
    with path.open("rb") as file:
        start: bytes = file.read(length)
    return start
