"""A step as it is run: every operation bound once to its buffers and to the fastest route for it on this machine.

What is computed is said in `netkit.engine.network` and `netkit.engine.training`; nothing here changes it by more than
rounding.
"""
