"""The process that holds the sound card; nothing else of the package runs in it."""
