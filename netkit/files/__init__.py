"""Bytes on disk, no code in them.

atomic        how every file is written: whole or not at all, and never in the place of what is no file
tensor_file   safetensors files with a header of JSON and a checksum over all of their bytes

Nothing here knows what a model is."""
