"""The promises of `netkit.kinds` as checks: what `netkit check` runs, and what a plugin's own tests call.

    from netkit.testing import check

    def test_swish():
        check("swish")
"""

from netkit.testing.checking import Report, check, examine
from netkit.testing.comparing import BrokenPromise

__all__ = ["BrokenPromise", "Report", "check", "examine"]
