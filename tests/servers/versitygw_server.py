"""A real versitygw on this host: a second S3 server, over a folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.servers.needed import binary
from tests.servers.s3_server import S3Server, running


class VersityServer(S3Server):
    """versitygw over a folder, whose file system must have extended attributes."""

    ready_path = "/health"

    def command(self) -> list[str]:
        """The program and its arguments."""
        address = f"{self.host}:{self.port}"
        return [
            str(binary("versitygw")),
            "--port",
            address,
            "--health",
            self.ready_path,
            "posix",
            str(self.folder / "data"),
        ]

    def variables(self) -> dict[str, str]:
        """Environment variables beside the inherited ones."""
        return {"ROOT_ACCESS_KEY": self.root.access_key, "ROOT_SECRET_KEY": self.root.secret_key}


@pytest.fixture(scope="session")
def versitygw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VersityServer]:
    """A server for all tests of a session; each uses a bucket of its own."""
    with running(VersityServer(tmp_path_factory.mktemp("versitygw"))) as server:
        yield server
