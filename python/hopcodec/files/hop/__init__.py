"""The .hop container, for the codes of every codec."""
