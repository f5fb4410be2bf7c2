"""Bytes on disk, and no code in them.

atomic        how every file is written: whole or not at all, and never in the place of what is no file
tensor_file   safetensors files with a header of JSON and a checksum over all of their bytes
model_file    models, with what their header says (header), whose parts they are of (provenance), and those that cannot
              be built here (kept, limit)
checkpoint    runs in training, to be taken up again, one at a time in a folder (lock)

How a model is built from what a file says is in `netkit.model`.
"""
