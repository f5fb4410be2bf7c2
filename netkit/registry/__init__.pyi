"""The types of `netkit.registry`. Written by `python -m netkit.registry.stub`; a test holds it to what there is."""

from netkit.registry.info import RUN_TIME as RUN_TIME
from netkit.registry.info import Info as Info
from netkit.registry.lookup import Lookup as Lookup
from netkit.registry.lookup import Registry as Registry
from netkit.registry.lookup import current as current
from netkit.registry.lookup import names_of as names_of
from netkit.registry.lookup import refresh as refresh
from netkit.registry.lookup import using as using

activations: Lookup
layers: Lookup
losses: Lookup
metrics: Lookup
optimizers: Lookup
initializers: Lookup
schedules: Lookup
encoders: Lookup
readers: Lookup
reporters: Lookup
