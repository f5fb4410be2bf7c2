"""From a table to a model: read, split, encoded, trained on, described.

`training` is the one road through it, `settings` says every option once. What a network does with its inputs is in
`netkit.engine`; what a person types is in `netkit.cli`.
"""
