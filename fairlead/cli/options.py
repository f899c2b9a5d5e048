"""Options that several subcommands share, and how their texts are parsed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any, NoReturn

import typer

from fairlead.address import Address
from translator.model.proxy import Capture, Role


class ProxyRole(StrEnum):
    """The kinds of proxy by the names that people use."""

    SIDECAR = "sidecar"
    GATEWAY = "gateway"

    @property
    def role(self) -> Role:
        """The role in the model."""
        return Role.GATEWAY if self is ProxyRole.GATEWAY else Role.SIDECAR


class CaptureMode(StrEnum):
    """How traffic gets into a sidecar, in the lower case of a command line."""

    REDIRECT = "redirect"
    TPROXY = "tproxy"
    NONE = "none"

    @property
    def capture(self) -> Capture:
        """The mode in the model."""
        return Capture(self.value.upper())


ShadowHostSuffix = Annotated[
    bool,
    typer.Option(
        "--shadow-host-suffix",
        help="Append -shadow to the Host of mirrored requests, as Istio did before version 1.28.",
    ),
]


HeadlessChains = Annotated[
    bool,
    typer.Option(
        "--headless-chains",
        help="Let the endpoints of a TCP port of headless services share a listener, as Istio does with "
        "PILOT_ENABLE_HEADLESS_FILTER_CHAIN_LISTENER.",
    ),
]


class TextFormat(StrEnum):
    """How structured output is written."""

    JSON = "json"
    YAML = "yaml"


def parse_address(text: str) -> Address:
    """``HOST:PORT`` of an option. Raises typer.BadParameter."""
    try:
        return Address.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def parse_labels(text: str) -> Mapping[str, str]:
    """``k=v,...`` of an option. Raises typer.BadParameter."""
    labels: dict[str, str] = {}
    for part in text.split(",") if text else ():
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"{part!r} is not NAME=VALUE")
        labels[name.strip()] = value.strip()
    return labels


def parse_locality(text: str) -> tuple[str, ...]:
    """``region/zone/subzone`` of an option, as far as it is given. Raises typer.BadParameter."""
    parts = tuple(text.split("/")) if text else ()
    if len(parts) > 3 or not all(parts):
        raise typer.BadParameter(f"{text!r} is not REGION, REGION/ZONE or REGION/ZONE/SUBZONE")
    return parts


def print_structured(content: Any, text_format: TextFormat) -> None:  # noqa: ANN401 - anything JSON can hold
    """Write content to standard output."""
    import json

    text = json.dumps(content, indent=2, ensure_ascii=False)
    if text_format is TextFormat.YAML:
        import yaml

        # By way of JSON, which leaves plain values only.
        plain = json.loads(text)
        text = yaml.dump(plain, Dumper=yaml.CSafeDumper, sort_keys=False, width=120, allow_unicode=True).rstrip()
    typer.echo(text)


def fail(message: str, *, code: int = 2) -> NoReturn:
    """Say what is wrong on standard error and end with an exit code (2: wrong usage, 1: problems in the input)."""
    typer.secho(f"fairlead: {message}", err=True, fg=typer.colors.RED)
    raise typer.Exit(code)


@contextmanager
def failing_on(*errors: type[Exception], code: int = 2) -> Iterator[None]:
    """End with an exit code where the block raises one of these, and say its text."""
    try:
        yield
    except errors as error:
        fail(str(error), code=code)
