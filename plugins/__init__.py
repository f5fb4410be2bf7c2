"""netkit's own components: plugins like any other, registered through the entry points of netkit-nn."""
