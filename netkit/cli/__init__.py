"""The command `netkit`. Commands import what they need when they run, so help and completion load no torch."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from importlib import import_module
from typing import Any

import click

from netkit.cli.leaving import leave_in_time
from netkit.cli.streams import open_streams
from netkit.errors import NetkitError, PluginError, nearest

__all__ = ["cli", "main"]

COMMANDS = {
    "train": "netkit.cli.train:train",
    "predict": "netkit.cli.use:predict",
    "evaluate": "netkit.cli.use:evaluate",
    "inspect": "netkit.cli.inspect:inspect",
    "describe": "netkit.cli.describe:describe",
    "list-plugins": "netkit.cli.plugins:list_plugins",
    "show": "netkit.cli.plugins:show",
    "check": "netkit.cli.check:check",
    "schema": "netkit.cli.config:schema",
    "config": "netkit.cli.config:config",
    "doctor": "netkit.cli.doctor:doctor",
    "new-plugin": "netkit.cli.new_plugin:new_plugin",
}


class Commands(click.Group):
    """A group that imports the module of a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Whole summaries: click cuts them."""
        found = [(name, self.get_command(ctx, name)) for name in COMMANDS]
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(1000)) for name, each in found if each])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS:
            raise click.UsageError(f"no such command {args[0]!r}{nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from netkit.registry.discovery import DISTRIBUTION, version

        click.echo(f"{DISTRIBUTION} {version()}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--no-plugin", multiple=True, metavar="NAME", help="Leave out a plugin, by distribution or entry point.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@click.pass_context
def cli(ctx: click.Context, no_plugin: tuple[str, ...]) -> None:
    """Train feed-forward neural networks on tables. Every part is a plugin."""
    from netkit.registry.guard import shield_torch

    shield_torch()
    if no_plugin:
        from netkit.registry import Registry, using

        ctx.with_resource(using(Registry(blocked=no_plugin)))


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit. Every error is one line on stderr and an exit code: 2 for usage, 1 for data, 130 for
    Ctrl-C, 143 after SIGTERM, 70 for what nobody foresaw."""
    output = None if arguments is not None else open_streams()
    try:
        code = _run(arguments)
        if output:
            output.flush()
        if output and output.lost:
            code = _say(f"standard output cannot be written: {output.lost.strerror}", code or 1)
    except BrokenPipeError:  # the reader of our output has gone: nobody is left to tell
        sys.stderr.close()
        code = 1
    if arguments is None:  # else the process is not ours to end
        leave_in_time(code)
    sys.exit(code)


def _run(arguments: list[str] | None) -> int:
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            warnings.filterwarnings("default", category=UserWarning, module="netkit")
            code = cli.main(arguments, prog_name="netkit", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.NoSuchOption as error:
        known = [name for each in error.ctx.command.params for name in each.opts] if error.ctx else []
        return _say(f"no such option {error.option_name}{nearest(error.option_name, known)}", 2)
    except click.ClickException as error:
        return _say(error.format_message(), error.exit_code)
    except NetkitError as error:
        return _told(error)
    except (KeyboardInterrupt, click.Abort):
        return _say("stopped", 130)
    except BrokenPipeError:
        raise
    except BaseException as error:  # some plugin's own kind of exception may be no Exception
        return _unforeseen(error)


def _left(error: SystemExit) -> int:
    """The exit code for a SystemExit: its own where netkit or click raised it, and an error where a plugin did."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if frames and str(frames[-1].f_globals.get("__name__")).partition(".")[0] in ("netkit", "click"):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    place = frames[-1].f_globals.get("__name__", "?") if frames else "?"
    return _say(f"{place} wanted to end the program (SystemExit: {error.code}); nothing was finished", 1)


def _told(error: NetkitError) -> int:
    """The exit code for an error that netkit raised, once it is told: for what a plugin raised with all there is."""
    if os.environ.get("NETKIT_TRACEBACK") and isinstance(error, PluginError) and error.__cause__:
        traceback.print_exception(error.__cause__)
    return _say(str(error), error.exit_code)


def _unforeseen(error: BaseException) -> int:
    from netkit.registry.culprit import culprit, no_memory
    from netkit.registry.guard import cause

    if no_memory(error):
        return _say(
            "there is not enough memory for this table or this network; fewer units, columns or rows need less", 1
        )
    if found := culprit(error):
        found.__cause__ = error
        return _told(found)
    if isinstance(error, SystemExit):
        return _left(error)
    if os.environ.get("NETKIT_TRACEBACK"):
        traceback.print_exception(error)
        return _say(f"internal error: {cause(error)}", 70)
    return _say(f"internal error: {cause(error)}; set NETKIT_TRACEBACK=1 for the traceback", 70)


def _warn(message: Warning | str, *where: object, **more: object) -> None:
    _say(str(message), 0)


def _say(message: str, code: int) -> int:
    """One line on stderr, whole, but without characters that steer a terminal."""
    from netkit.cli.terminal import say
    from netkit.registry.guard import printable

    say(f"netkit: {printable(message, limit=None)}", err=True)
    return code
