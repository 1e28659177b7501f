"""Connect links: everything a client needs, in one line or one QR code.

The token stands in the fragment, which browsers never send to a server and no log sees.
"""

from __future__ import annotations

import io
from urllib.parse import quote


def web_link(connect_url: str, workspace_id: str, token: str) -> str:
    """``http://HOST:PORT/w/ID/#token=T``: opens the page connected."""
    return f"{connect_url}/w/{workspace_id}/#token={quote(token)}"


def qr_code(text: str) -> str:
    """``text`` as a QR code of block characters, for a dark or light terminal."""
    out = io.StringIO()
    import segno  # noqa: PLC0415  # only where a code is drawn

    segno.make(text, error="l", micro=False).terminal(out, compact=True, border=2)
    return out.getvalue().rstrip("\n")
