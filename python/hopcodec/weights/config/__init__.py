"""The config.json of Hugging Face folders: checked, read and written."""
