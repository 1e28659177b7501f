"""The scripted provider as its own process, on a port or on a socket it inherits."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from openwork.common import log
from openwork.common.errors import OpenWorkError, UsageError
from openwork.demo.provider import DEFAULT_WORDS_PER_SECOND, ScriptedProvider

if TYPE_CHECKING:
    from collections.abc import Sequence

API_KEY_VARIABLE = "OPENWORK_DEMO_API_KEY"
logger = logging.getLogger("openwork.demo")


async def serve(provider: ScriptedProvider) -> None:
    """Run ``provider`` until SIGTERM or SIGINT.

    Raises:
        OpenWorkError: It could not listen.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with provider:
        logger.info("scripted provider listening on %s", provider.base_url)
        await stop.wait()
    logger.info("scripted provider stopped")


def main(argv: Sequence[str]) -> int:
    """Run the provider from the command line; the exit status.

    The key comes from the environment (``OPENWORK_DEMO_API_KEY``), never from an argument.
    """
    options = _parser().parse_args(argv)
    log.configure("openwork-demo", log_format=options.log_format)
    api_key = os.environ.get(API_KEY_VARIABLE) or None
    if api_key is None:
        logger.warning("%s is not set: every local program can use this provider", API_KEY_VARIABLE)
    else:
        log.hide(api_key)
    try:
        listener = None if options.fd is None else _inherited(options.fd)
        provider = ScriptedProvider(
            listener,
            port=options.port,
            words_per_second=options.words_per_second,
            api_key=api_key,
        )
        asyncio.run(serve(provider))
    except OpenWorkError as error:
        sys.stderr.write(f"{error.message}\n")
        if error.hint:
            sys.stderr.write(f"{error.hint}\n")
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m openwork.demo",
        description="A scripted model provider, so that OpenWork can be tried with no key.",
    )
    parser.add_argument("--fd", type=int, help="listening socket inherited under this number")
    parser.add_argument(
        "--port", type=int, default=0, help="port on 127.0.0.1 when no --fd is given"
    )
    parser.add_argument(
        "--words-per-second",
        type=float,
        default=DEFAULT_WORDS_PER_SECOND,
        help="pace of streamed answers, 0 for no pauses",
    )
    parser.add_argument("--log-format", choices=("pretty", "json"), default="pretty")
    return parser


def _inherited(descriptor: int) -> socket.socket:
    try:
        listener = socket.socket(fileno=descriptor)
        listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise _not_listening(descriptor, error.strerror or str(error)) from error
    if not listening:
        listener.close()
        raise _not_listening(descriptor, "it does not listen")
    listener.set_inheritable(False)
    return listener


def _not_listening(descriptor: int, reason: str) -> UsageError:
    return UsageError(
        f"--fd {descriptor} is not a listening socket: {reason}",
        hint="Pass the number of a listening socket this process inherits, or use --port.",
    )
