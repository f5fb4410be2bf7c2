"""The promises of `netkit.kinds` as checks: what `netkit check` runs, and what a plugin's own tests call.

from netkit.testing import check, promises_of

check("swish")                              # raises BrokenPromise, with an input that breaks it
test_component = promises_of("netkit-swish")  # in a test file: one test for each component of a distribution
"""

from netkit.testing.checking import Report, check, examine, promises_of
from netkit.testing.comparing import BrokenPromise

__all__ = ["BrokenPromise", "Report", "check", "examine", "promises_of"]
