"""Strangers' distributions, installed by pip into fresh environments: what is wrong is one line, and hurts nobody else."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess

import pytest
from environments import Environment

SOFTSIGN = """
    from dataclasses import dataclass
    from netkit import Activation, hookimpl

    @dataclass(frozen=True)
    class Softsign(Activation):
        '''z / (1 + |z|), (n, ...) to the same shape.'''

        def forward(self, z):
            return z / (1 + z.abs())

        def backward(self, grad, z, a):
            inverse = 1 / (1 + z.abs())
            return grad * inverse * inverse

    @hookimpl
    def netkit_activations():
        return {"soft_sign": Softsign}
"""


def hook(body, kind="activations"):
    return f"from netkit import hookimpl\n@hookimpl\ndef netkit_{kind}():\n    {body}\n"


# name: (source, options of `make`, what `list-plugins` must say of it)
CASES = {
    "importerror": (
        "import no_such_module",
        {},
        r"lab-importerror 0\.1 \(lab_importerror\): broken: import of lab_importerror failed: ModuleNotFoundError: No module named 'no_such_module' \(line 1 of lab_importerror\.py\)",
    ),
    "exit": (
        "import sys; sys.exit(3)",
        {},
        r"lab-exit .*: broken: import of lab_exit failed: SystemExit: 3 \(line 1 of lab_exit\.py\)",
    ),
    "prints": (
        "print('hello {')" + SOFTSIGN.replace("\n    ", "\n"),
        {},
        r"activation +soft_sign +z / \(1 \+ \|z\|\), .* +lab-prints 0\.1",
    ),
    "raises": (hook("return 1 / 0"), {}, r"lab-raises .*: broken: ZeroDivisionError: division by zero"),
    "misspelt": (
        hook("return {}", "activaitons"),
        {},
        r"lab-misspelt .*: broken: there is no hook netkit_activaitons; did you mean netkit_activations.*",
    ),
    "none": (
        hook("return None"),
        {},
        r"lab-none .*: broken: netkit_activations must return a dictionary of names, got None",
    ),
    "list": (
        hook("return ['a']"),
        {},
        r"lab-list .*: broken: netkit_activations must return a dictionary of names, got \['a'\]",
    ),
    "numbers": (hook("return {3: 'a:B'}"), {}, r"lab-numbers .*: broken: activation: a name is snake_case .*, got 3"),
    "class": (
        hook("return {'thing': int}"),
        {},
        r"lab-class .*: broken: lab-class/thing: activation must be a class derived from Activation, got <class 'int'>",
    ),
    "reference": (hook("return {'thing': 'lab_reference:Gone'}"), {}, r"activation +thing +lab-reference 0\.1"),
    "silent": ("import math", {}, r"lab-silent .*: broken: it has no function marked with @hookimpl"),
    "relu": (SOFTSIGN.replace('"soft_sign"', '"relu"'), {}, r"activation +lab-relu/relu +z / .*lab-relu 0\.1"),
    "entry": (
        SOFTSIGN,
        {"entries": '[project.entry-points.netkit]\nactivations = "lab_entry"'},
        r"activation +soft_sign +z / .*lab-entry 0\.1",
    ),
    "newer": (
        "raise SystemError",
        {"requires": '["netkit-nn>=99"]'},
        r"lab-newer .*: incompatible: needs netkit-nn>=99, this is \d.*",
    ),
    "namesake": (
        SOFTSIGN,
        {"requires": '["netkit"]'},
        r"lab-namesake .*: incompatible: requires netkit, an unrelated package; it must be netkit-nn",
    ),
    "undeclared": (
        SOFTSIGN,
        {"requires": "[]"},
        r"lab-undeclared 0\.1 \(lab_undeclared\): ok: note: declares no dependency on netkit-nn",
    ),
    "syntax": (
        "def (",
        {},
        r"lab-syntax .*: broken: import of lab_syntax failed: SyntaxError: .*; pip uninstall lab-syntax",
    ),
    "ctrl-c": (
        "raise KeyboardInterrupt",
        {},
        r"lab-ctrl-c .*: broken: import of lab_ctrl_c failed: KeyboardInterrupt \(line \d+ of lab_ctrl_c\.py\); pip .*",
    ),
    "attribute": (
        "",
        {"entries": '[project.entry-points.netkit]\nx = "lab_attribute:Gone"'},
        r"lab-attribute .*: broken: .*has no attribute 'Gone'.*",
    ),
    "argument": (
        "from netkit import hookimpl\n@hookimpl\ndef netkit_losses(x):\n    return {}",
        {},
        r"lab-argument .*: broken: .*x.*",
    ),
    "halfway": (
        SOFTSIGN.replace("\n    ", "\n") + "\n" + hook("return 1 / 0", "losses"),
        {},
        r"lab-halfway .*: broken: ZeroDivisionError: division by zero; .*",
    ),
    "warns": (
        "import warnings; warnings.warn('look out')" + SOFTSIGN.replace("\n    ", "\n"),
        {},
        r"activation +soft_sign .*lab-warns 0\.1",
    ),
    "slow": (
        "import time; time.sleep(0.6)" + SOFTSIGN.replace("\n    ", "\n"),
        {},
        r"lab-slow 0\.1 \(lab_slow\): ok: note: its import took \d+\.\d s; one that announces .*",
    ),
    "reentrant": (
        "from netkit import registry\nassert list(registry.activations)" + SOFTSIGN.replace("\n    ", "\n"),
        {},
        r"activation +soft_sign .*lab-reentrant 0\.1",
    ),
    "number": (
        SOFTSIGN.replace("'''z / (1 + |z|), (n, ...) to the same shape.'''", "__doc__ = 5"),
        {},
        r"activation +soft_sign +lab-number 0\.1",
    ),
    "finder": (
        "import sys\nclass Finder:\n    def find_spec(*a): raise RuntimeError\nsys.meta_path.insert(0, Finder)"
        + SOFTSIGN.replace("\n    ", "\n"),
        {},
        r"activation +soft_sign +z / .*lab-finder 0\.1",
    ),
    "finder-later": (
        SOFTSIGN.replace("\n    ", "\n")
        + "\nimport sys\nclass Finder:\n    def find_spec(*a): raise RuntimeError\nsys.meta_path.insert(0, Finder)\n",
        {},
        r"activation +soft_sign +z / .*lab-finder-later 0\.1",
    ),
    "abstract": (
        SOFTSIGN.replace("def backward", "def forwards"),
        {},
        r"activation +soft_sign +z / .*lab-abstract 0\.1",
    ),
    "long": (
        SOFTSIGN.replace('"soft_sign"', '"s" * 65'),
        {},
        r"lab-long .*: broken: activation: a name is snake_case \(letters, digits, _; at most 64\), got 's+'.*",
    ),
    "hostile": (
        SOFTSIGN.replace("z / (1 + |z|)", "\\x1b[2J\\u202egnirts\\n" + "x" * 9999),
        {},
        r"activation +soft_sign .*lab-hostile 0\.1",
    ),
}


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path)


def weights(environment, penguins, **variables):
    """The bits of a model trained with built-in components alone."""
    environment.run(
        "train", penguins, "--target", "species", "--epochs", 2, "--out", "m.netkit", "--quiet", **variables
    )
    return hashlib.sha256((environment.folder / "m.netkit").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """The same model in an environment without any plugin of a stranger."""
    from conftest import ROOT

    return weights(Environment(tmp_path_factory.mktemp("bare")), ROOT / "examples" / "penguins.csv")


@pytest.mark.parametrize("case", CASES)
def test_a_plugin_that_is_wrong_is_one_line_and_changes_no_bit(environment, penguins, untouched, case):
    source, options, line = CASES[case]
    environment.install(environment.make(f"lab-{case}", source, **options))
    listed = environment.run("list-plugins")
    assert re.search(f"^{line}(; pip uninstall lab-{case})?$", listed.stdout, re.M), listed.stdout[-600:]
    assert len(re.findall(f"lab-{case} 0.1", listed.stdout)) == 1 + (case in ("slow", "undeclared"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u200e\u202a-\u202e]", listed.stdout)
    assert json.loads(environment.run("list-plugins", "--json").stdout)["schema"] == 1
    assert weights(environment, penguins) == untouched
    for recovery in (
        ["--version"],
        ["--help"],
        ["list-plugins", "--no-import"],
        ["describe", "m.netkit"],
        ["new-plugin", "netkit-other"],
    ):
        environment.run(*recovery)


def test_metadata_of_unrelated_packages_cannot_hurt(environment, penguins, untouched):
    [site] = (environment.folder / "venv").glob("lib/python*/site-packages")
    metadata = b"Metadata-Version: 2.1\nName: alien\nVersion: 1\n"
    for name, about, entries in (
        ("badline", metadata, b"[console_scripts]\nno entry\n"),
        ("utf8", metadata, b"[x]\na = \xff\n"),
        ("nameless", None, b"[netkit]\na = nowhere\n"),
        ("empty", b"", b"[netkit]\na = nowhere\n"),
    ):
        folder = site / f"alien_{name}-1.dist-info"
        folder.mkdir()
        (folder / "entry_points.txt").write_bytes(entries)
        if about is not None:
            (folder / "METADATA").write_bytes(about)
    listed = environment.run("list-plugins").stdout
    assert (
        len(re.findall(r"^alien_\w+-1\.dist-info \? \(\?\): unreadable: its metadata cannot be read: ", listed, re.M))
        == 4
    )
    assert weights(environment, penguins) == untouched
    environment.run("predict", "m.netkit", penguins)
    environment.run("check", "relu")
    environment.run("show", "relu")


def test_a_reference_that_does_not_resolve_is_an_error_of_the_one_who_uses_it(environment, penguins):
    environment.install(environment.make("lab-reference", hook("return {'thing': 'lab_reference:Gone'}")))
    train = ["train", penguins, "--target", "species"]
    said = environment.run(*train, "--activation", "thing", code=1).stderr
    gone = "activation 'thing' of lab-reference 0.1: lab_reference:Gone: the module has no such name"
    assert said == f"netkit: activation: {gone}\n"
    assert "BROKEN  it raises PluginError" in environment.run("check", "--plugin", "lab-reference", code=1).stdout


def test_two_strangers_with_one_name(environment, penguins, untouched):
    for letter in "ba":
        environment.install(environment.make(f"lab-{letter}", SOFTSIGN))
    listed = environment.run("list-plugins", "--kind", "activation").stdout
    assert re.findall(r"lab-\w/soft_sign", listed) == ["lab-a/soft_sign", "lab-b/soft_sign"]
    train = ["train", penguins, "--target", "species", "--epochs", 1]
    said = environment.run(*train, "--activation", "soft_sign", code=1).stderr
    assert (
        said == "netkit: activation: activation 'soft_sign' is in dispute: write lab-a/soft_sign or lab-b/soft_sign\n"
    )
    said = environment.run(*train, "--activation", "lab-b/soft_sign", "--out", "b.netkit").stdout
    assert "\nusing activation lab-b/soft_sign (lab-b 0.1)\n" in said and "using" not in environment.run(*train).stdout
    assert "activation lab-b/soft_sign (lab-b 0.1)" in environment.run("describe", "b.netkit").stdout
    environment.run(*train, "--activation", "soft_sign", "--out", "b.netkit", NETKIT_PLUGINS="-lab-a")
    assert weights(environment, penguins) == untouched
    orders = {environment.run("list-plugins", "--json", PYTHONHASHSEED=str(seed)).stdout for seed in range(3)}
    assert len(orders) == 1


def test_blocked_before_the_import_by_either_name(environment):
    source = "open('imported', 'w').close()\n" + "\n".join(line[4:] for line in SOFTSIGN.splitlines())
    environment.install(environment.make("lab-eager", source, '[project.entry-points.netkit]\neager = "lab_eager"'))
    marker = environment.folder / "imported"
    for arguments, variables in [
        (["--no-plugin", "lab-eager"], {}),
        (["--no-plugin", "eager"], {}),
        ([], {"NETKIT_PLUGINS": "-lab_eager"}),
        ([], {"NETKIT_PLUGINS": "another"}),
    ]:
        out = environment.run(*arguments, "list-plugins", **variables).stdout
        assert re.search(r"^lab-eager 0\.1 \(eager\): blocked: ", out, re.M) and "soft_sign" not in out
    assert not marker.exists()
    environment.run("list-plugins")
    assert marker.exists()


def test_installed_editable_changed_upgraded_and_uninstalled(environment, penguins):
    folder = environment.make("lab-soft", SOFTSIGN)
    environment.install(folder, "--editable")
    train = ["train", penguins, "--target", "species", "--epochs", 1, "--activation", "soft_sign", "--out", "s.netkit"]
    environment.run(*train)
    assert "lab-soft/soft_sign (lab-soft 0.1)" in environment.run("describe", "s.netkit").stdout
    changed = SOFTSIGN.replace("class Softsign(Activation):", "class Softsign(Activation):\n        gain: float")
    environment.install(environment.make("lab-soft", changed, version="0.2"))
    said = environment.run("predict", "s.netkit", penguins, code=1).stderr
    assert said == (
        "netkit: s.netkit: its network cannot be built: lab-soft/soft_sign: gain is required; lab-soft 0.2 is installed, "
        "the model was saved with 0.1: pip install 'lab-soft==0.1'\n"
    )
    environment.install(environment.make("lab-soft", SOFTSIGN, version="0.3"))
    assert (
        "lab-soft 0.3 is installed, the model was saved with 0.1"
        in environment.run("predict", "s.netkit", penguins).stderr
    )
    environment.pip("uninstall", "-y", "lab-soft")
    said = environment.run("predict", "s.netkit", penguins, code=1).stderr
    assert said == "netkit: s.netkit: activation lab-soft/soft_sign is not available: pip install 'lab-soft==0.1'\n"
    assert "activation lab-soft/soft_sign (lab-soft 0.1)" in environment.run("describe", "s.netkit").stdout
    keep = "import netkit; netkit.load('s.netkit', missing='keep').save('kept.netkit')"
    subprocess.run([environment.python, "-c", keep], cwd=environment.folder, check=True)
    assert (environment.folder / "kept.netkit").read_bytes() == (environment.folder / "s.netkit").read_bytes()


def test_an_announced_name_is_listed_without_an_import_and_imported_alone(environment, penguins):
    for number in (1, 2):
        entries = f'[project.entry-points."netkit.activations"]\nsoft{number} = "lab_quiet{number}:Softsign"'
        source = f"open('imported{number}', 'w').close()\n" + "\n".join(
            line[4:] for line in SOFTSIGN.partition("    @hookimpl")[0].splitlines()
        )
        environment.install(environment.make(f"lab-quiet{number}", source, entries))
    assert re.search(r"^activation +soft2 +z / .*lab-quiet2 0\.1$", environment.run("list-plugins").stdout, re.M)
    environment.run("show", "relu")
    assert not list(environment.folder.glob("imported*"))
    environment.run("train", penguins, "--target", "species", "--epochs", 1, "--activation", "soft2")
    assert [path.name for path in environment.folder.glob("imported*")] == ["imported2"]


def test_a_configuration_requires_prefers_and_disables(environment, penguins):
    for letter in "ab":
        environment.install(environment.make(f"lab-{letter}", SOFTSIGN))
    start = 'target = "species"\nepochs = 1\nactivation = "soft_sign"\nout = "m.netkit"\n[plugins]\n'
    train = ["train", penguins, "--config", "net.toml", "--quiet"]
    for rules, qualified in (
        ('prefer = ["lab-b", "lab-a"]', "lab-b/soft_sign"),
        ('disable = ["lab_b"]', "lab-a/soft_sign"),
        ('require = ["lab-a>=0.1"]\nprefer = ["lab-a"]', "lab-a/soft_sign"),
    ):
        (environment.folder / "net.toml").write_text(start + rules)
        environment.run(*train)
        assert f"activation {qualified}" in environment.run("describe", "m.netkit").stdout
    for rules, code, message in (
        (
            'require = ["lab-a>=2", "lab-z"]',
            1,
            "plugins: lab-a>=2 is needed, 0.1 is installed: pip install 'lab-a>=2'; "
            "lab-z is not installed: pip install 'lab-z'",
        ),
        (
            "require = [\"lab-z; python_version<'3'\"]\ndisable = ['lab-b', 'lab-aa']",
            0,
            "plugins: none is called 'lab-aa'; did you mean lab-a",
        ),
        (
            'require = ["lab-a>>2"]\nprefer = ["lab-a"]',
            2,
            "activation: activation 'soft_sign' is in dispute: write lab-a/soft_sign or lab-b/soft_sign; "
            "plugins: require: a requirement as pip writes it is needed, got 'lab-a>>2'\n",
        ),
    ):
        (environment.folder / "net.toml").write_text(start + rules)
        (environment.folder / "m.netkit").unlink(missing_ok=True)
        said = environment.run(*train, code=code).stderr
        assert said.startswith(f"netkit: {'net.toml: ' * bool(code)}{message}") and said.count("\n") == 1


def test_check_tells_when_an_announced_name_and_the_hook_disagree(environment):
    both = '[project.entry-points.netkit]\nzhook = "lab_both"\n[project.entry-points."netkit.activations"]\nsoft_sign = "lab_both:{}"'
    twin = SOFTSIGN + "\n    class Twin(Softsign):\n        pass\n"
    environment.install(environment.make("lab-both", twin, both.format("Softsign")))
    assert " ok " in environment.run("check", "soft_sign").stdout
    environment.install(environment.make("lab-both", twin, both.format("Twin"), version="0.2"))
    assert (
        "BROKEN  lab-both gives the name twice and they do not agree: announced gives lab_both:Twin and "
        "zhook gives lab_both:Softsign"
    ) in environment.run("check", "soft_sign", code=1).stdout


AUDIT = """
import json, pathlib, sys
seen = []
def look(event, arguments):
    if event == "exec" and arguments[0].co_name == "<module>":  # the code of a module, however it came to be imported
        name = pathlib.Path(arguments[0].co_filename).stem
        if name in ("lab_a", "lab_b", "secret", "antigravity"):
            seen.append(name)
    elif event in ("os.system", "os.exec", "subprocess.Popen", "pickle.find_class", "socket.connect"):
        seen.append(event)
sys.addaudithook(look)
from netkit.cli import main
for command in json.loads(sys.argv[1]):
    seen.clear()
    print("command", file=sys.stderr)
    try:
        main(command)
    except SystemExit:
        pass
    print(json.dumps(seen), file=sys.stderr)
"""

HOSTILE = [
    "secret",
    "secret:Evil",
    "secret.Evil",
    "os/system",
    "lab-a/../secret",
    "../secret",
    "lab_b:Softsign",
    "__import__('secret')",
    "antigravity",
    "netkit_plugins.activations.rectified:Relu",
    "lab-b/soft sign",
    "",
    "a" * 10_000,
    "\u0000",
    "relu\nsecret",
]


def imported(environment, *commands):
    """For each command, run one after the other in one process: the modules it imported, and what it said."""
    arguments = json.dumps([[str(word) for word in command] for command in commands])
    done = subprocess.run(
        [environment.python, "-c", AUDIT, arguments],
        cwd=environment.folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    parts = [part.splitlines() for part in done.stderr.split("command\n")[1:]]
    return [(json.loads(lines[-1]), "\n".join(lines[:-1])) for lines in parts]


def test_a_configuration_or_a_model_imports_only_the_plugins_it_names(environment, penguins):
    """A file picks names: whatever it holds, nothing but the announced module behind a name is imported."""
    for letter in "ab":
        entries = f'[project.entry-points."netkit.activations"]\nsoft_{letter} = "lab_{letter}:Softsign"'
        environment.install(environment.make(f"lab-{letter}", SOFTSIGN, entries))
    (environment.folder / "secret.py").write_text("raise SystemError('imported')")
    base = 'target = "species"\nepochs = 1\nout = "m.netkit"\nquiet = true\n'
    (environment.folder / "net.toml").write_text(base + 'activation = "soft_a"\n')
    (environment.folder / "deep.toml").write_text(base + "hidden = " + "[" * 100_000)
    train = ["train", penguins, "--config"]
    assert imported(environment, [*train, "net.toml"])[0][0] == ["lab_a"]
    used = imported(environment, ["describe", "m.netkit"], ["predict", "m.netkit", penguins])
    assert [found for found, _ in used] == [[], ["lab_a"]]
    commands = [[*train, "deep.toml"]]
    for number, name in enumerate(HOSTILE):
        (environment.folder / f"{number}.toml").write_text(base + f"activation = {json.dumps(name)}\n")
        (environment.folder / f"{number}.netkit").write_bytes(
            renamed((environment.folder / "m.netkit").read_bytes(), name)
        )
        commands += [[*train, f"{number}.toml"], ["predict", f"{number}.netkit", penguins]]
    for command, (found, said) in zip(commands, imported(environment, *commands)):
        file = next(word for word in command[1:] if str(word) != str(penguins) and word != "--config")
        assert not found and said.startswith(f"netkit: {file}: ") and said.count("\n") == 0, (command, found, said)


def renamed(data, name):
    """A model file in which the first layer's activation has another name."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    about = json.loads(header["__metadata__"]["netkit"])
    about["layers"][0]["activation"] = name
    about["components"][name] = about["components"].pop("lab-a/soft_a")
    header["__metadata__"]["netkit"] = json.dumps(about)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def test_a_component_that_ends_the_program_or_lacks_a_method_is_one_line(environment, penguins):
    environment.install(
        environment.make("lab-exit", SOFTSIGN.replace("return z / (1 + z.abs())", "raise SystemExit(0)"))
    )
    environment.install(
        environment.make("lab-half", SOFTSIGN.replace("def backward", "def forwards").replace('"soft_sign"', '"half"'))
    )
    train = ["train", penguins, "--target", "species", "--activation"]
    said = environment.run(*train, "soft_sign", code=1)
    exit = "activation lab-exit/soft_sign (lab-exit 0.1): SystemExit: 0; netkit check lab-exit/soft_sign tells more"
    assert said.stderr.splitlines()[-1] == f"netkit: {exit}"
    assert not (environment.folder / "penguins.netkit").exists()
    half = "activation 'half' of lab-half 0.1: Softsign does not define backward\n"
    assert environment.run(*train, "half", code=1).stderr == f"netkit: activation: {half}"
    assert environment.run("show", "half", code=1).stderr == f"netkit: {half}"
    said = environment.run("--no-plugin", "lab-halv", "list-plugins", NETKIT_PLUGINS="-lab-exi").stderr
    assert (
        said
        == "netkit: plugins: none is called 'lab-exi'; did you mean lab-exit?\nnetkit: plugins: none is called 'lab-halv'; did you mean lab-half?\n"
    )
