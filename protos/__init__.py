"""The project's own protobuf messages: every .proto file below is compiled when the package is built."""
