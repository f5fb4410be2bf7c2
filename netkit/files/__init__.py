"""Bytes on disk, and no code in them: how a file is written whole or not at all, model files, and checkpoints of runs.

How a model is built from what a file says is in `netkit.model`; tables are read in `netkit.tables`.
"""
