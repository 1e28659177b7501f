"""The OpenWork server: tokens, approvals, audit, workspace configuration, and the way to the engine."""
