"""Check, read and write the config.json of Hugging Face folders."""
