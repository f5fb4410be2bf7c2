"""The command `netkit`. Commands import what they need when they run, so help and completion load no torch."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from typing import Any

import click

from netkit.errors import NetkitError, nearest

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

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS:
            raise click.UsageError(f"no such command {args[0]!r}{nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from netkit.discovery import DISTRIBUTION, version

        click.echo(f"{DISTRIBUTION} {version()}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--no-plugin", multiple=True, metavar="NAME", help="Leave out a plugin, by distribution or entry point.")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version.")
@click.pass_context
def cli(ctx: click.Context, no_plugin: tuple[str, ...]) -> None:
    """Train feed-forward neural networks on tables. Every part is a plugin."""
    if no_plugin:
        from netkit.registry import Registry, using

        ctx.with_resource(using(Registry(blocked=no_plugin)))


def main(arguments: list[str] | None = None) -> None:
    """Run the command; every error is one line on stderr and an exit code: 2 for usage, 1 for data, 130 for Ctrl-C."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            code = cli.main(arguments, prog_name="netkit", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        sys.exit(_say(error.format_message(), error.exit_code))
    except NetkitError as error:
        sys.exit(_say(str(error), error.exit_code))
    except (KeyboardInterrupt, click.Abort):
        sys.exit(_say("stopped", 130))
    except BrokenPipeError:  # the reader of our output has gone: nobody is left to tell
        sys.stderr.close()
        sys.exit(1)


def _warn(message: Warning | str, *where: object, **more: object) -> None:
    click.echo(f"netkit: {' '.join(str(message).split())}", err=True)


def _say(message: str, code: int) -> int:
    click.echo(f"netkit: {' '.join(message.split())}", err=True)
    return code
