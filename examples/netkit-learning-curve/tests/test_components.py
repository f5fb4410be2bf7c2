from netkit.testing import promises_of

test_component = promises_of("netkit-learning-curve")
