"""A storage as S3 is: a file appears whole when it is closed, nothing can be appended or renamed, folders don't exist.

And it can fail or hang, at any of its calls.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import fsspec
from airflow.sdk.io import attach
from fsspec import AbstractFileSystem
from upath import UPath
from upath.registry import register_implementation

if TYPE_CHECKING:
    from collections.abc import Callable


class ObjectStore(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Objects in a dict, under ``store://bucket/...`` once it is attached.

    :ivar objects: path -> content.
    :ivar calls: what was called, ``(what, path)``: ``list``, ``info``, ``get``, ``put``, ``remove``.
    :ivar before: called with the same before each call; it may raise, or take its time.
    """

    protocol = "store"

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, bytes] = {}
        self.calls: list[tuple[str, str]] = []
        self.before: Callable[[str, str], object] = lambda *_: None

    @classmethod
    def empty(cls) -> ObjectStore:
        """The store, with nothing in it; Airflow's paths lead to it. There is one a process, as fsspec has it."""
        fsspec.register_implementation("store", cls, clobber=True)
        register_implementation("store", _Path, clobber=True)
        store = cls()
        store.objects, store.calls, store.before = {}, [], lambda *_: None
        attach("store", fs=store)
        return store

    def _call(self, what: str, path: str) -> None:
        self.calls.append((what, path))
        self.before(what, path)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        path = self._strip_protocol(path).rstrip("/")
        self._call("list", path)
        found = [self._entry(name) for name in self.objects if name.rpartition("/")[0] == path]
        if not found:
            raise FileNotFoundError(path)
        return found if detail else [entry["name"] for entry in found]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        self._call("info", path)
        if path in self.objects:
            return self._entry(path)
        if any(name.startswith(f"{path}/") for name in self.objects):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """There are no folders."""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """As :meth:`mkdir`."""

    def rm_file(self, path: str) -> None:
        path = self._strip_protocol(path)
        self._call("remove", path)
        self.objects.pop(path)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        self._call("put", path2)
        self.objects[path2] = self.objects[path1]

    def open(self, path: str, mode: str = "rb", **_: Any) -> io.BytesIO:
        path = self._strip_protocol(path)
        if mode == "rb":
            self._call("get", path)
            if path not in self.objects:
                raise FileNotFoundError(path)
            return io.BytesIO(self.objects[path])
        if mode != "wb":
            raise NotImplementedError(f"objects can't be opened for {mode}")
        return _Put(self, path)

    def rows(self) -> list[int]:
        """The rows of all lines of all JSON lines files, in order."""
        texts = [content for name, content in self.objects.items() if name.endswith(".jsonl")]
        return sorted(json.loads(line)["row"] for text in texts for line in text.splitlines())

    def _entry(self, path: str) -> dict[str, Any]:
        return {"name": path, "size": len(self.objects[path]), "type": "file"}


class _Path(UPath):
    """A path of it."""


class _Put(io.BytesIO):
    """What is written to it is an object once it is closed."""

    def __init__(self, store: ObjectStore, path: str) -> None:
        super().__init__()
        self._store = store
        self._path = path

    def close(self) -> None:
        if not self.closed:
            content = self.getvalue()
            super().close()
            self._store._call("put", self._path)
            self._store.objects[self._path] = content

    def __del__(self) -> None:
        """Left open, it is nothing."""
