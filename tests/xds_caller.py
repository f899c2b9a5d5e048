"""A gRPC client that finds its service by xDS: calls once per line of input and prints who answered."""

import sys

import grpc


def main() -> None:
    """Call ``argv[1]`` for every line until the input ends."""
    with grpc.insecure_channel(sys.argv[1]) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/tests.Greeter/Greet")
        for _ in sys.stdin:
            try:
                print(call(b"", timeout=10, wait_for_ready=True).decode(), flush=True)
            except grpc.RpcError as error:
                print(f"failed: {error.code()} {error.details()}", flush=True)


if __name__ == "__main__":
    main()
