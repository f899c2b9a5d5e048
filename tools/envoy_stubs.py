"""Write type stubs (.pyi) for the Envoy messages, so that editors and mypy know their fields.

The ``xds-protos`` distribution ships generated modules without stubs and without .proto files. Every
module carries its own descriptor, though, and protoc writes stubs from descriptors alone.

    python tools/envoy_stubs.py DIRECTORY
"""

import importlib
import shutil
import sys
import tempfile
from importlib.metadata import files
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

DISTRIBUTION = "xds-protos"
# Hidden by the standard library's package of the same name, and of no use.
UNREACHABLE = "test/"


def collect_descriptors() -> list[FileDescriptor]:
    """The descriptors of every message module that the distribution installs."""
    paths = sorted(path.as_posix() for path in files(DISTRIBUTION) or ())
    modules = [
        path.removesuffix(".py").replace("/", ".")
        for path in paths
        if path.endswith("_pb2.py") and not path.startswith(UNREACHABLE)
    ]
    return [importlib.import_module(module).DESCRIPTOR for module in modules]


def build_descriptor_set(descriptors: list[FileDescriptor]) -> FileDescriptorSet:
    """The descriptors with all that they import; an imported file stands before its importers, as protoc wants it."""
    ordered: dict[str, FileDescriptorProto] = {}

    def visit(descriptor: FileDescriptor) -> None:
        if descriptor.name in ordered:
            return
        for dependency in descriptor.dependencies:
            visit(dependency)
        proto = FileDescriptorProto()
        descriptor.CopyToProto(proto)
        ordered[descriptor.name] = proto

    for descriptor in descriptors:
        visit(descriptor)
    return FileDescriptorSet(file=ordered.values())


def write_stubs(directory: Path) -> int:
    """Replace ``directory`` by the stubs of all messages; returns how many files were written."""
    descriptors = collect_descriptors()
    names = [descriptor.name for descriptor in descriptors]
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        descriptor_set = Path(scratch) / "descriptors.bin"
        descriptor_set.write_bytes(build_descriptor_set(descriptors).SerializeToString())
        arguments = [f"--descriptor_set_in={descriptor_set}", f"--pyi_out={directory}"]
        if protoc.main(["protoc", *arguments, *names]) != 0:
            raise SystemExit("protoc could not write the stubs")
    return len(names)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    print(f"{write_stubs(target)} type stubs of Envoy messages in {target}")
