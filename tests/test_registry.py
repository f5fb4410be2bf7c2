"""The registry's rules, on small distributions written to a folder as pip would leave them."""

from __future__ import annotations

import re
import signal
import sys
import textwrap
from importlib import metadata

import pytest

from netkit.errors import PluginError, UnknownComponent
from netkit.registry import Registry

SWISH = """
    from dataclasses import dataclass
    import torch
    from netkit import Activation, hookimpl

    @dataclass(frozen=True)
    class Swish(Activation):
        '''z sigmoid(beta z), (n, d) to (n, d) (arXiv:1710.05941).'''
        beta: float = 1.0

        def forward(self, z):
            return z * torch.sigmoid(self.beta * z)

        def backward(self, grad, z, a):
            s = torch.sigmoid(self.beta * z)
            return grad * (s + self.beta * z * s * (1 - s))
"""
HOOK = """
    @hookimpl
    def netkit_activations():
        return {"swish": Swish}
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """install(distribution, module source, ...): write it, and return it as importlib.metadata sees it."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name, source, *, version="0.1", entries=None, requires="netkit-nn"):
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: {requires}\n"
        )
        (info / "entry_points.txt").write_text(entries or f"[netkit]\n{module} = {module}\n")
        return metadata.PathDistribution(info)

    yield write
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(path.stem, None)


def statuses(registry):
    return {plugin.distribution: (plugin.status, plugin.reason) for plugin in registry.plugins()}


def test_a_strangers_plugin_is_found_and_traced(install):
    registry = Registry([install("lab-swish", textwrap.dedent(SWISH) + textwrap.dedent(HOOK), version="0.3")])
    assert list(registry.activations) == ["swish"]
    info = registry.activations.info("swish")
    assert (info.qualified, info.version, info.entry_point) == ("lab-swish/swish", "0.3", "lab_swish")
    assert registry.activations["swish"] is registry.activations["lab-swish/swish"]


def test_an_announced_name_is_listed_without_an_import(install):
    source = textwrap.dedent(SWISH)
    entries = "[netkit.activations]\nswish = lab_quiet:Swish\n"
    registry = Registry([install("lab-quiet", source, entries=entries)])
    assert "swish" in registry.activations and registry.activations.info("swish").summary.startswith(
        "z sigmoid(beta z)"
    )
    assert "lab_quiet" not in sys.modules
    assert registry.activations["swish"].__name__ == "Swish"


BROKEN = {
    "raises": ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "syntax": ("def (", "SyntaxError"),
    "mute": (
        "class Mute(Exception):\n    def __str__(self):\n        return 1 / 0\nraise Mute",
        "import of a_mute failed: Mute (line 4 of a_mute.py)",
    ),
    "own": ("class Own(BaseException): pass\nraise Own('no luck')", "Own: no luck"),
    "missing": ("import no_such_module_here", "No module named 'no_such_module_here'"),
    "hook-raises": (
        "from netkit import hookimpl\n@hookimpl\ndef netkit_losses():\n    return 1 / 0",
        "ZeroDivisionError",
    ),
    "misspelt": (
        "from netkit import hookimpl\n@hookimpl\ndef netkit_activaitons():\n    return {}",
        "there is no hook netkit_activaitons; did you mean netkit_activations",
    ),
    "argument": ("from netkit import hookimpl\n@hookimpl\ndef netkit_losses(x):\n    return {}", "x"),
    "none": (
        "from netkit import hookimpl\n@hookimpl\ndef netkit_losses():\n    return None",
        "dictionary of names, got None",
    ),
    "no-string": ("from netkit import hookimpl\n@hookimpl\ndef netkit_losses():\n    return {3: 'a:B'}", "snake_case"),
    "silent": ("import math", "it has no function marked with @hookimpl"),
    "no-reference": (
        "from netkit import hookimpl\n@hookimpl\ndef netkit_losses():\n    return {'a': 'b'}",
        "loss a: a reference reads package.module:Name, got 'b'",
    ),
    "no-class": (
        "from netkit import hookimpl\n@hookimpl\ndef netkit_losses():\n    return {'a': 5}",
        "derived from Loss",
    ),
    "halfway": (
        "from netkit import hookimpl\n@hookimpl\ndef netkit_losses():\n    return {'a': 'b:C', 'd': 5}",
        "derived from",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_named_with_its_reason_and_stops_nobody(install, kind):
    source, reason = BROKEN[kind]
    good = install("lab-swish", textwrap.dedent(SWISH) + textwrap.dedent(HOOK))
    registry = Registry([install(f"a-{kind}", source), good])
    assert list(registry.activations) == ["swish"] and not registry.losses
    status, said = statuses(registry)[f"a-{kind}"]
    assert status == "broken" and reason in said and "\n" not in said


def test_unreadable_metadata_is_a_line_in_the_list(install, tmp_path):
    bad = install("lab-bad", "", entries="[netkit]\nthis is no entry point\n")
    worse = install("lab-worse", "")
    (tmp_path / "lab_worse-0.1.dist-info" / "entry_points.txt").write_bytes(b"[netkit]\nx = \xff\xfe\n")
    registry = Registry([bad, worse, install("lab-swish", textwrap.dedent(SWISH) + textwrap.dedent(HOOK))])
    assert list(registry.activations) == ["swish"]
    found = statuses(registry)
    assert [found[f"lab_{name}-0.1.dist-info"][0] for name in ("bad", "worse")] == ["unreadable", "unreadable"]


def test_two_strangers_with_one_name_both_work_by_qualified_name_only(install):
    source = textwrap.dedent(SWISH) + textwrap.dedent(HOOK)
    registry = Registry([install("lab-b", source), install("lab-a", source)])
    assert list(registry.activations) == ["lab-a/swish", "lab-b/swish"]
    with pytest.raises(PluginError, match="'swish' is in dispute: write lab-a/swish or lab-b/swish"):
        registry.activations["swish"]
    assert registry.activations["lab-b/swish"].__module__ == "lab_b"


def test_a_requirement_for_another_netkit_is_decided_before_the_import(install):
    registry = Registry([install("lab-newer", "raise SystemError", requires="netkit-nn>=99")])
    status, reason = statuses(registry)["lab-newer"]
    assert status == "incompatible" and "netkit-nn>=99" in reason and "lab_newer" not in sys.modules


@pytest.mark.parametrize(
    ("rule", "loads"), [("", True), ("-lab-swish", False), ("-lab_swish", False), ("other", False), ("Lab.Swish", True)]
)
def test_blocking_and_allowing_by_either_name_before_the_import(install, rule, loads):
    registry = Registry([install("lab-swish", textwrap.dedent(SWISH) + textwrap.dedent(HOOK))], plugins=rule)
    if rule == "other":
        with pytest.warns(UserWarning, match="^plugins: none is called 'other'$"):
            registry.plugins()
    assert ("swish" in registry.activations) is loads
    assert ("lab_swish" in sys.modules) is loads


def test_without_entry_points_the_registry_is_empty_and_says_so():
    registry = Registry([])
    assert not registry.activations and not registry.plugins()
    with pytest.raises(UnknownComponent, match="activation 'relu' is unknown: no activations are registered"):
        registry.activations["relu"]


def test_the_order_does_not_depend_on_the_order_of_discovery(install):
    distributions = [install(f"lab-{letter}", textwrap.dedent(SWISH) + textwrap.dedent(HOOK)) for letter in "cab"]
    assert list(Registry(distributions).activations) == list(Registry(distributions[::-1]).activations)


def test_a_name_at_run_time(install):
    registry = Registry([install("lab-swish", textwrap.dedent(SWISH) + textwrap.dedent(HOOK))])
    component = registry.activations["swish"]
    assert registry.activations.register("swoosh")(component) is component
    assert registry.activations["swoosh"] is component
    with pytest.raises(PluginError, match="snake_case"):
        registry.activations.register("Not Snake", component)


def test_an_unknown_name_gives_the_nearest_and_the_plugin_that_might_have_had_it(install):
    good = install("lab-swish", textwrap.dedent(SWISH) + textwrap.dedent(HOOK))
    entries = "[netkit.activations]\nswich = lab_quiet:Swish\n"
    quiet = install("lab-quiet", "", entries=entries, requires="netkit-nn>=99")
    others = [install(f"lab-broken{i}", "raise ValueError('no')") for i in (1, 2)]
    registry = Registry([good, quiet, *others, install("lab-off", "")], blocked=["lab-off"])
    for name, said in (
        (
            "swich",
            "'swich' is unknown; did you mean swish?; lab-quiet is incompatible: needs netkit-nn>=99, this is .*; "
            "broken plugins that might have it: lab-broken1, lab-broken2; blocked plugins that might have it: lab-off "
            "(netkit list-plugins says why)",
        ),
        (
            "lab-broken1/swich",
            "'lab-broken1/swich' is unknown.*; lab-broken1 is broken: import of lab_broken1 failed: ValueError: no (line 1 of lab_broken1.py)",
        ),
    ):
        with pytest.raises(UnknownComponent) as caught:
            registry.activations[name]
        assert re.fullmatch(
            "activation " + said.replace("(", "\\(").replace(")", "\\)").replace("?;", "\\?;"), str(caught.value)
        ), caught.value


def test_a_reference_that_does_not_resolve_names_the_distribution(install):
    source = "from netkit import hookimpl\n@hookimpl\ndef netkit_losses():\n    return {'a': 'lab_ref:Gone', 'b': 'nowhere:B'}"
    registry = Registry([install("lab-ref", source)])
    with pytest.raises(PluginError, match="^loss 'a' of lab-ref 0.1: lab_ref:Gone: the module has no such name$"):
        registry.losses["a"]
    with pytest.raises(PluginError, match="^loss 'b' of lab-ref 0.1: import of nowhere failed: ModuleNotFoundError"):
        registry.losses["b"]
    with pytest.raises(UnknownComponent, match="^loss: none is registered that could be a default$"):
        registry.losses.first()


def test_the_line_of_a_failed_import_is_the_last_of_the_plugins_own(install):
    calls = "def f():\n    raise ValueError('no')\n\n\nf()\n"
    reason = "import of lab_calls failed: ValueError: no (line 2 of lab_calls.py)"
    assert statuses(Registry([install("lab-calls", calls)]))["lab-calls"] == ("broken", reason)


def test_an_announced_group_must_be_a_kind(install):
    groups = {"xyz": "", "activation": "; did you mean activations?"}
    registry = Registry([install(f"lab-{each}", "", entries=f"[netkit.{each}]\nx = lab_x:X\n") for each in groups])
    for each, close in groups.items():
        reason = f"announces in the group netkit.{each}, and there is no such kind{close}"
        assert statuses(registry)[f"lab-{each}"] == ("broken", reason)


def test_a_deprecated_hook_warns_its_author(install, monkeypatch):
    from netkit.registry import hookspecs

    options = {
        **hookspecs.netkit_activations.netkit_spec,
        "warn_on_impl": FutureWarning("netkit_activations goes in 0.9"),
    }
    monkeypatch.setattr(hookspecs.netkit_activations, "netkit_spec", options)
    registry = Registry([install("lab-swish", textwrap.dedent(SWISH) + textwrap.dedent(HOOK))])
    with pytest.warns(FutureWarning, match="netkit_activations goes in 0.9"):
        assert "swish" in registry.activations


def test_ctrl_c_by_a_person_is_no_plugins_fault(install):
    pressed = "import os, signal; os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(5)"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            Registry([install("lab-waits", pressed)]).plugins()
    finally:
        signal.signal(signal.SIGINT, before)
    registry = Registry([install("lab-raises", "raise KeyboardInterrupt")])
    assert statuses(registry)["lab-raises"] == (
        "broken",
        "import of lab_raises failed: KeyboardInterrupt (line 1 of lab_raises.py)",
    )


def test_refresh_sees_what_was_installed_since_and_keeps_what_was_registered(install, monkeypatch):
    from netkit import registry

    monkeypatch.setattr("netkit.registry.lookup._current", None)  # what is found here must not stay for other tests
    with registry.using(Registry([])) as old:
        component = Registry([install("lab-swish", textwrap.dedent(SWISH) + textwrap.dedent(HOOK))]).activations[
            "swish"
        ]
        old.activations.register("mine", component)
        assert list(old.activations) == ["mine"]
        registry.refresh()
        assert registry.activations["mine"] is component and "lab-swish/swish" in registry.activations
        assert len(registry.current().plugins()) > 1
    assert "mine" not in registry.activations


def test_training_calls_no_hook(monkeypatch):
    import pluggy
    import torch

    from netkit import Dense, Model

    model = Model([Dense(inputdim=3, units=2, activation="softmax")], "categorical_cross_entropy")

    def refuse(*arguments):
        raise AssertionError("a hook was called")

    monkeypatch.setattr(pluggy.PluginManager, "_hookexec", refuse)
    model.fit(torch.randn(9, 3), torch.arange(9) % 2, epochs=2, progress=False)
    model.predict(torch.randn(2, 3))


def test_a_lookup_imports_no_more_than_it_must(install):
    source = textwrap.dedent(SWISH) + textwrap.dedent(HOOK)
    hooked = [install(f"lab-{letter}", source.replace('"swish"', f'"swish_{letter}"')) for letter in "ab"]
    quiet = install("lab-quiet", textwrap.dedent(SWISH), entries="[netkit.activations]\nswish = lab_quiet:Swish\n")
    registry = Registry([*metadata.distributions(name="netkit-nn"), *hooked, quiet])

    def imported():
        return [name for name in ("lab_a", "lab_b", "lab_quiet") if name in sys.modules]

    relu = registry.activations["relu"]
    assert (
        registry.activations.info_of(relu()).name == "relu"
        and registry.activations.first() == "relu"
        and not imported()
    )
    assert registry.activations["lab-quiet/swish"] and imported() == ["lab_quiet"]
    assert registry.activations["lab-b/swish_b"] and imported() == ["lab_b", "lab_quiet"]
    assert registry.activations["swish"].__module__ == "lab_quiet" and imported() == ["lab_a", "lab_b", "lab_quiet"]
    assert list(registry.activations)[-3:] == ["swish_a", "swish_b", "swish"]


def test_an_abstract_class_names_itself_its_distribution_and_what_is_missing(install):
    from netkit import spec
    from netkit.registry import using

    source = textwrap.dedent(SWISH).partition("    def backward")[0] + textwrap.dedent(HOOK)
    registry = Registry([install("lab-half", source)])
    said = "^activation 'swish' of lab-half 0.1: Swish does not define backward$"
    with using(registry), pytest.raises(PluginError, match=said):
        spec.make("activation", "swish")
    with pytest.raises(PluginError, match="^activation 'half' of run-time: Swish does not define backward$"):
        registry.activations.register("half", registry.activations.info("swish").component)
    with using(registry), pytest.raises(PluginError, match="^Swish: Swish does not define backward$"):
        spec.make("activation", registry.activations.info("swish").component)


def test_a_finder_that_raises_spoils_no_summary(install, monkeypatch):
    class Finder:
        def find_spec(self, *arguments):
            raise RuntimeError("no")

    entries = "[netkit.activations]\nswish = lab_found:Swish\n"
    registry = Registry([install("lab-found", textwrap.dedent(SWISH), entries=entries)])
    registry.plugins()
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    assert registry.activations.info("swish").summary.startswith("z sigmoid")


def test_a_name_of_netkits_own_cannot_be_registered_again(install):
    registry = Registry(
        [
            *metadata.distributions(name="netkit-nn"),
            install("lab-swish", textwrap.dedent(SWISH) + textwrap.dedent(HOOK)),
        ]
    )
    with pytest.raises(PluginError, match="^activation 'relu' is netkit's own and keeps its name; choose another$"):
        registry.activations.register("relu", lambda z: z)
    assert registry.activations["relu"].__module__.startswith("netkit_plugins")


def test_a_class_of_modules_becomes_a_layer(install):
    import torch

    from netkit import Model, spec
    from netkit.registry import using

    registry = Registry(metadata.distributions(name="netkit-nn"))

    @registry.layers.register("my")
    class My(torch.nn.Module):
        """Twice a linear map."""

        def __init__(self, units: int = 2):
            super().__init__()
            self.linear = torch.nn.Linear(3, units)

        def forward(self, x):
            return 2 * self.linear(x)

    with using(registry):
        assert registry.layers.info("my").derived and spec.text(My(units=4)) == "my:units=4"
        assert Model(["my:units=4"], "mean_squared_error").build((3,)).out_shape == (4,)
    with pytest.raises(PluginError, match="activation must be a class derived from Activation, got <class 'torch.nn"):
        registry.activations.register("linear", torch.nn.Linear)


MANY = """
    from dataclasses import dataclass
    from netkit import Activation, derived
    from netkit.derived import activation, layer as of_modules
    from lab_inner import Inner
    import netkit.derived
    import netkit.derived as d

    @activation
    def bare(z, k: float = 1.0):
        '''Bare.'''
        return k * z

    def _f(z):
        '''Called.'''
        return z

    called = derived.activation(_f, outputs="unit")
    other = bare
    plain = netkit.derived.activation(_f)
    alias = d.activation(_f)

    class Sub(bare):
        '''Sub.'''

    @dataclass(frozen=True)
    class Blank(Activation):
        k: float = 1.0
        def forward(self, z):
            return z
        def backward(self, grad, z, a):
            return grad

    class Outer:
        @dataclass(frozen=True)
        class Nested(Blank):
            '''Nested.'''
"""
INNER = """
    from dataclasses import dataclass
    from netkit import Activation

    @dataclass(frozen=True)
    class Inner(Activation):
        '''Inner.'''
        def forward(self, z):
            return z
        def backward(self, grad, z, a):
            return grad
"""
KNOWN = {
    "bare": (True, "Bare."),
    "called": (True, "Called."),
    "other": (True, "Bare."),
    "Outer.Nested": (False, "Nested."),
    "Inner": (False, "Inner."),
    "Blank": (False, ""),
    "plain": (True, "Called."),
    "alias": (True, "Called."),
    "Sub": (True, "Sub."),
}


def test_what_is_read_from_a_source_is_what_the_class_says(install):
    from importlib import import_module

    from netkit import spec
    from netkit.registry import using

    install("lab-inner", INNER)
    entries = "[netkit.activations]\n" + "".join(f"n{i} = lab_many:{name}\n" for i, name in enumerate(KNOWN))
    registry = Registry([install("lab-many", MANY, entries=entries)])
    infos = registry.activations.infos()
    assert [(info.derived, info.summary) for info in infos] == list(KNOWN.values()) and "lab_many" not in sys.modules
    with using(registry):
        assert (
            spec.table(import_module("lab_inner").Inner()) == {"type": "lab-many/n4"} and "lab_many" not in sys.modules
        )
        classes = [registry.activations[info.name] for info in infos]
        assert [spec.table(each())["type"] for each in classes] == [f"lab-many/n{i if i != 2 else 0}" for i in range(9)]
    from netkit.registry import source

    assert [(source.is_derived(each), source.doc_of(each)) for each in classes] == list(KNOWN.values())


def test_a_name_that_no_plugin_has_is_a_warning_with_the_nearest(install):
    good = install("lab-swish", textwrap.dedent(SWISH) + textwrap.dedent(HOOK))
    for options in ({"plugins": "-lab-swihs"}, {"blocked": ["Lab.swihs"]}, {"preferred": ["lab_swihs"]}):
        with pytest.warns(UserWarning, match="^plugins: none is called 'lab-swihs'; did you mean lab-swish.$"):
            assert "swish" in Registry([good], **options).activations


@pytest.mark.parametrize(
    ("requires", "status", "reason"),
    [
        ('netkit; extra == "dev"', "ok", "note: declares no dependency on netkit-nn"),
        ("netkit-nn>=9; python_version<'3'", "ok", "note: declares no dependency on netkit-nn"),
        ("netkit-nn\nRequires-Dist: netkit-nn>=9; python_version<'3'", "ok", ""),
        ("netkit-nn; python_version>'3'", "ok", ""),
        ("netkit-nn>=9; python_version>'3'", "incompatible", "needs netkit-nn>=9, this is "),
        ("netkit ??", "ok", "note: declares no dependency on netkit-nn"),
    ],
)
def test_extras_and_markers_of_requirements_are_heeded(install, requires, status, reason):
    registry = Registry([install("lab-swish", textwrap.dedent(SWISH) + textwrap.dedent(HOOK), requires=requires)])
    found, said = statuses(registry)["lab-swish"]
    assert found == status and said.startswith(reason) and bool(said) is bool(reason)


def test_the_import_of_torch_is_nobodys_fault(install, monkeypatch):
    source = "import time, sys\ntime.sleep(0.6)\n{}\nfrom netkit import hookimpl\n@hookimpl\ndef netkit_losses():\n    return {{}}\n"
    slow = install("lab-slow", source.format(""))
    torch = install("lab-torch", source.format("sys.modules['torch'] = sys"))
    monkeypatch.setitem(sys.modules, "torch", None)
    del sys.modules["torch"]
    found = statuses(Registry([slow, torch]))
    assert found["lab-torch"] == ("ok", "") and re.match(r"note: its import took \d\.\d s; ", found["lab-slow"][1])


def test_a_bad_announced_name_leaves_its_siblings(install):
    entries = "[netkit.activations]\nswish = lab_quiet:Swish\nSwish = lab_quiet:Swish\nflat = lab_quiet\n"
    registry = Registry(
        [
            install("lab-quiet", textwrap.dedent(SWISH), entries=entries),
            install("lab-loud", "", entries="[netkit.activations]\nSwish = lab_loud:Swish\n"),
        ]
    )
    assert list(registry.activations) == ["swish"]
    status, reason = statuses(registry)["lab-quiet"]
    assert status == "ok" and reason == (
        "note: activation: a name is snake_case (letters, digits, _; at most 64), got 'Swish'; "
        "activation flat: a reference reads package.module:Name, got 'lab_quiet'"
    )
    status, reason = statuses(registry)["lab-loud"]
    assert status == "broken" and reason.endswith("got 'Swish'")


def test_a_class_that_its_package_fetches_when_asked_is_known_by_its_name(install):
    from importlib import import_module

    from netkit import spec
    from netkit.registry import using

    install("lab-inner", INNER)
    lazy = "def __getattr__(name):\n    import lab_inner\n    return getattr(lab_inner, name)\n"
    registry = Registry([install("lab-lazy", lazy, entries="[netkit.activations]\ninner = lab_lazy:Inner\n")])
    with using(registry):
        assert spec.table(import_module("lab_lazy").Inner()) == {"type": "lab-lazy/inner"}


def test_the_module_has_a_lookup_for_each_kind_and_nothing_else():
    from netkit import registry
    from netkit.kinds import KINDS

    plurals = [kind.plural for kind in KINDS.values()]
    assert len(plurals) == 10 and set(plurals) < set(dir(registry))
    assert all(getattr(registry, plural) is registry.current().kinds[kind] for kind, plural in zip(KINDS, plurals))
    with pytest.raises(AttributeError, match="^module 'netkit.registry' has no attribute 'activaitons'$"):
        registry.activaitons


@pytest.mark.parametrize(
    ("options", "clean"), [({}, "a b c"), ({"limit": 3}, "a b"), ({"keep_spaces": True}, "a ?? b?  c")]
)
def test_strangers_text_steers_no_terminal(options, clean):
    from netkit.registry.guard import printable

    assert printable("a \x1b\u202e b\n  c", **options) == clean
    assert len(printable("x" * 400)) == 300 and len(printable("x" * 400, None)) == 400


def test_torch_is_shielded_from_damaged_metadata_alone(monkeypatch, install, tmp_path):
    import os

    from netkit.registry.guard import shield_torch

    monkeypatch.setenv("TORCH_DEVICE_BACKEND_AUTOLOAD", "")
    monkeypatch.delenv("TORCH_DEVICE_BACKEND_AUTOLOAD")
    Registry().plugins()
    shield_torch()
    assert "TORCH_DEVICE_BACKEND_AUTOLOAD" not in os.environ
    install("lab-bad", "", entries="[x]\nthis is no entry point\n")
    shield_torch()
    assert os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] == "0"


def test_an_alias_is_another_entry_of_the_same_table_and_names_win_over_it():
    from netkit import Initializer, spec
    from netkit.registry import Info, Registry, using

    class Mine(Initializer):
        def __call__(self, shape, fan_in, fan_out, rng):
            return None

    with using(Registry()) as mine:
        loss = spec.make("loss", "mse")
        assert loss == spec.make("loss", "netkit-nn/mse") == spec.make("loss", "mean_squared_error")
        assert spec.table(loss)["type"] == "netkit-nn/mean_squared_error" and spec.text(loss) == "mean_squared_error"
        assert "mse" in mine.losses and "mse" not in [*mine.losses]
        lookup = mine.initializers
        for letter in "ab":
            lookup.add(Info("initializer", f"one_{letter}", f"lab-{letter}", "1", "x", Mine, ("uno", "xavier_uniform")))
        with pytest.raises(PluginError, match="'uno' is in dispute: write lab-a/one_a or lab-b/one_b$"):
            lookup["uno"]
        assert lookup.info("xavier_uniform").name == "glorot_uniform" and lookup.info("lab-b/uno").name == "one_b"
        lookup.register("xavier_uniform", Mine)
        assert lookup.info("xavier_uniform").distribution == "run-time"


def test_an_alias_of_an_alias_breaks_a_hook():
    from types import SimpleNamespace

    from netkit.registry.discovery import Plugin
    from netkit.registry.lookup import _returned

    plugin = Plugin("lab", "1", "lab")
    hook = SimpleNamespace(plugin_name=plugin.name, function=lambda: {"one": "lab:One", "uno": "one", "twice": "uno"})
    caller = SimpleNamespace(name="netkit_activations", get_hookimpls=lambda: [hook])
    with pytest.raises(PluginError, match="^activation twice: an alias of a component is needed, got 'uno', an alias"):
        list(_returned(plugin, caller))


def test_what_an_alias_means_is_a_component_of_its_table():
    from netkit.registry.discovery import Plugin
    from netkit.registry.info import without_bad_names

    names = {
        "one": "lab:One",
        "uno": "one",
        "twice": "uno",
        "Bad": "lab:Bad",
        "worse": "Bad",
        "lost": "nobody",
        "i": "i",
    }
    plugin = without_bad_names(Plugin("lab", "1", "announced", announced={"activations": names}))
    assert plugin.announced == {"activations": {"one": "lab:One", "uno": "one"}}
    assert {*plugin.refused["activation"]} == {"twice", "Bad", "worse", "lost", "i"}
