"""The .dac files of the original dac command."""
