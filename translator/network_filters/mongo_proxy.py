"""Counting of MongoDB operations, in front of the TCP proxy."""

from typing import Final

from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.network.mongo_proxy.v3 import mongo_proxy_pb2

from translator.pb import pack

NAME: Final = "envoy.filters.network.mongo_proxy"


def build_mongo_proxy(stat_prefix: str) -> listener_components_pb2.Filter:
    """The filter."""
    return listener_components_pb2.Filter(
        name=NAME, typed_config=pack(mongo_proxy_pb2.MongoProxy(stat_prefix=stat_prefix))
    )
