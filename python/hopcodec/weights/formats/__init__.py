"""The file formats that hold weights: safetensors, torch archives, JSON beside them."""
