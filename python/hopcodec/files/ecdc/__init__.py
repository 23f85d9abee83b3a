"""The .ecdc files of the original encodec command."""
