"""The OpenWork server: tokens, approvals, audit, workspaces, and the way to the engine."""
