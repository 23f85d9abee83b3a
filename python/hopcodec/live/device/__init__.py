"""The process that holds the sound card. Nothing else of the package runs in it."""
