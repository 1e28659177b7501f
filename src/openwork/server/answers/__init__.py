"""The shapes of the JSON that routes answer, for the OpenAPI document alone.

Nothing here is imported before somebody asks for the document: ``@access(..., answers="NAME")``
names a shape, :func:`shape_named` finds it then. An object has the fields named and no other,
unless its shape says that it is open.
"""

from typing import Any

from openwork.server.answers import automations, content, files, messaging, records, server

MODULES = (server, records, content, files, automations, messaging)


def shape_named(name: str) -> Any:  # noqa: ANN401  # a type
    """The shape of that name.

    Raises:
        LookupError: There is none.
    """
    for module in MODULES:
        found = vars(module).get(name)
        if found is not None:
            return found
    raise LookupError(f"no module in {__name__} has a shape called {name}")
