"""A scripted model provider: the product runs end to end with no key and no network."""
