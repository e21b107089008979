"""`python -m so8t_gateway.health PORT`: whether the service on this host decides on requests, by the exit code.

The container's health check. It asks itself, so a certificate, which names the public host, is not verified.
"""

from __future__ import annotations

import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection

_HOST = "127.0.0.1"
_WAIT_S = 4


def is_ready(port: int) -> bool:
    """Whether the service on this port of loopback says that it is ready, by HTTP or by HTTPS."""
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    plain, secure = (
        HTTPConnection(_HOST, port, _WAIT_S),
        HTTPSConnection(_HOST, port, timeout=_WAIT_S, context=unverified),
    )
    for connection in (plain, secure):
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            continue
        finally:
            connection.close()
    return False


if __name__ == "__main__":
    sys.exit(not is_ready(int(sys.argv[1])))
