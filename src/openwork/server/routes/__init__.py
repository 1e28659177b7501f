"""One module per resource; a route checks nothing itself: see :mod:`openwork.server.access`."""
