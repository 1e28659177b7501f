"""Ports: take one for good, find a free one, say who holds a taken one."""

from __future__ import annotations

import ipaddress
import socket

from openwork.common.errors import OpenWorkError


def is_loopback(host: str) -> bool:
    """Whether ``host`` names this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int, *, backlog: int = 2048) -> socket.socket:
    """A listening socket on ``host:port`` (0 picks a free port). The caller owns it.

    The socket is bound here and handed on, so nobody can take the port in between.

    Raises:
        OpenWorkError: ``port_taken`` with the process that holds it where the system tells, or
            ``address_unavailable`` when the host is not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise _explain(host, port, error) from error
    return listener


def _explain(host: str, port: int, error: OSError) -> OpenWorkError:
    import errno  # noqa: PLC0415

    if error.errno == errno.EADDRINUSE:
        holder = port_holder(port)
        by = f" by {holder}" if holder else ""
        return OpenWorkError(
            "port_taken",
            f"Port {port} on {host} is already taken{by}.",
            hint="Stop that process, or choose another port.",
            status=409,
        )
    if error.errno == errno.EACCES:
        return OpenWorkError(
            "port_forbidden",
            f"Not allowed to listen on port {port} of {host}.",
            hint="Choose a port above 1023.",
        )
    return OpenWorkError(
        "address_unavailable",
        f"Cannot listen on {host}:{port}: {error.strerror or error}",
        hint="Use 127.0.0.1, 0.0.0.0, or an address of this machine.",
    )


def port_holder(port: int) -> str | None:
    """``name (pid N)`` of the process listening on ``port``, None when the system won't say."""
    import psutil  # noqa: PLC0415  # 30 ms, needed only to explain a failure

    try:
        for connection in psutil.net_connections(kind="tcp"):
            listening = connection.status == psutil.CONN_LISTEN
            address = connection.laddr  # () for a socket without one
            if listening and address and address.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        return None
    return None


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago, for a program that must bind its port itself.

    Another process may take it before that program does: the caller verifies who answers there.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def lan_address() -> str | None:
    """This machine's address on its network, or None. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(
                ("192.0.2.1", 9)
            )  # documentation range: only picks the outgoing interface
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if is_loopback(address) else address
