"""A gRPC server that gets its listener by xDS: answers every call with its own address until its input ends."""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc


def main() -> None:
    """Serve at ``argv[1]`` and print that when the server has started."""
    address = sys.argv[1]

    def greet(_: bytes, call: grpc.ServicerContext) -> bytes:
        return address.encode()

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(greet)
    server = grpc.server(ThreadPoolExecutor(2), xds=True)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tests.Greeter", {"Greet": handler}),))
    # What the control plane says about TLS counts; it says nothing of it.
    server.add_secure_port(address, grpc.xds_server_credentials(grpc.insecure_server_credentials()))
    server.start()
    print(address, flush=True)
    sys.stdin.read()
    server.stop(0).wait()


if __name__ == "__main__":
    main()
