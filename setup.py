"""Build step of the project's own protocol buffers; everything else about packaging stands in pyproject.toml.

``python setup.py build_protos --inplace`` compiles them inside a checkout.
"""

from itertools import chain
from pathlib import Path
from typing import ClassVar

from setuptools import Command, setup
from setuptools.command.build import build

ROOT = Path(__file__).resolve().parent
PROTOS = sorted(path.relative_to(ROOT) for path in ROOT.glob("protos/**/*.proto"))
SUFFIXES = ("_pb2.py", "_pb2.pyi")


class BuildProtos(Command):
    """Compile ``protos/**/*.proto`` to messages and their type stubs, beside the sources or into the wheel's tree."""

    description = "compile the .proto files"
    user_options: ClassVar = [("build-lib=", "b", "directory to compile to"), ("inplace", "i", "beside the sources")]
    boolean_options: ClassVar = ["inplace"]

    build_lib: str | None
    inplace: bool
    editable_mode: bool

    def initialize_options(self) -> None:
        """Set every option to "not given"."""
        self.build_lib = None
        self.inplace = False
        self.editable_mode = False

    def finalize_options(self) -> None:
        """Take the options not given from the ``build`` command."""
        self.set_undefined_options("build", ("build_lib", "build_lib"))

    def run(self) -> None:
        """Compile; a failure ends the build with protoc's own message."""
        if not PROTOS:
            return
        import grpc_tools.protoc  # noqa: PLC0415  (only the build needs it, not the metadata)

        output = self._output()
        output.mkdir(parents=True, exist_ok=True)
        well_known_types = Path(grpc_tools.__file__).parent / "_proto"
        arguments = ["protoc", f"-I{ROOT}", f"-I{well_known_types}", f"--python_out={output}", f"--pyi_out={output}"]
        if grpc_tools.protoc.main([*arguments, *(path.as_posix() for path in PROTOS)]) != 0:
            raise SystemExit("protoc failed")

    def get_source_files(self) -> list[str]:
        """What a source distribution must hold."""
        return [path.as_posix() for path in PROTOS]

    def get_outputs(self) -> list[str]:
        """The files that are generated."""
        stems = [str(self._output() / path.with_suffix("")) for path in PROTOS]
        return list(chain.from_iterable((stem + suffix for suffix in SUFFIXES) for stem in stems))

    def get_output_mapping(self) -> dict[str, str]:
        """No generated file is the copy of a source."""
        return {}

    def _output(self) -> Path:
        if self.inplace or self.editable_mode or self.build_lib is None:
            return ROOT
        return Path(self.build_lib)


class Build(build):
    """The ordinary build, and the protocol buffers first."""

    sub_commands: ClassVar = [("build_protos", None), *build.sub_commands]


setup(cmdclass={"build": Build, "build_protos": BuildProtos})
