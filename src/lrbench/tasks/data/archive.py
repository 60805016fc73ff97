"""Finding the files of a dataset: in a folder the user names, in the cache, or on a mirror."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lrbench.errors import DataError
from lrbench.tasks.data.download import Progress, download
from lrbench.tasks.data.home import cache_home


@dataclass(frozen=True)
class DataFile:
    """One file as it was found; equal values mean it has not been touched since.

    Parameters
    ----------
    path : Path
    size_bytes : int
    modified_ns : int
        Time of last change, in nanoseconds since 1970.
    """

    path: Path
    size_bytes: int
    modified_ns: int

    @property
    def name(self) -> str:
        """Its name without the ending ``.gz``."""
        return self.path.name.removesuffix(".gz")

    def sha256(self) -> str:
        """Digest of the file as it stands, in hex.

        Raises
        ------
        DataError
            The file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            relation = f"file {self.path.name} must be readable"
            raise DataError(relation, got=error.strerror, origin=str(self.path)) from None


@dataclass(frozen=True)
class Archive:
    """The files a dataset is published as.

    Parameters
    ----------
    name : str
        The dataset; also its folder in the cache.
    mirror : str
        Address of the folder the files are fetched from, with a slash at its end.
    md5 : mapping of file name, without ``.gz``, to the md5 of the gzipped file in hex
    """

    name: str
    mirror: str
    md5: Mapping[str, str]

    def locate(
        self,
        progress: Progress | None = None,
        /,
        *,
        root: str | None = None,
        download: bool = False,
        mirror: str | None = None,
    ) -> tuple[DataFile, ...]:
        """The files there are, after fetching what is missing if that is asked for.

        Parameters
        ----------
        progress : Progress, optional
        root : str, optional
            Folder that holds the files, gzipped or not; any of them will do. Without it, all of
            them must stand in the cache.
        download : bool, default False
            Fetch the files that are missing, into that folder. What is there stays as it is.
        mirror : str, optional
            Address of a folder to fetch from before the usual one; checksums are the same.

        Raises
        ------
        DataError
            There are no files, or fetching failed.
        """
        folder = Path(root).expanduser() if root else self._cached()
        if download:
            for name in self.md5:
                if not _find(folder, name):
                    self._fetch(name, folder, mirror, progress)
        found = [file for name in self.md5 if (file := _find(folder, name))]
        # A download that broke off leaves a part of the data in the cache: not what was asked for.
        if not found or (root is None and len(found) < len(self.md5)):
            raise DataError(
                f"must be a folder with files of {self.name}, such as {next(iter(self.md5))}.gz",
                key="root",
                got=root,
                remedy="dataset.download=true, or dataset.root=<folder with the files>",
            )
        return tuple(found)

    def _cached(self) -> Path:
        try:
            return cache_home() / "downloads" / self.name
        except RuntimeError:
            raise DataError(
                "must be given where there is no home folder to keep data in",
                key="root",
                remedy="dataset.root=<folder with the files>, or set LRBENCH_CACHE",
            ) from None

    def _fetch(
        self, name: str, folder: Path, mirror: str | None, progress: Progress | None
    ) -> None:
        mirrors = [mirror] if mirror else []
        urls = [f"{base.rstrip('/')}/{name}.gz" for base in (*mirrors, self.mirror)]
        download(urls, folder / f"{name}.gz", self.md5[name], progress)


def _find(folder: Path, name: str) -> DataFile | None:
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            status = path.stat()
            return DataFile(path, status.st_size, status.st_mtime_ns)
    return None
