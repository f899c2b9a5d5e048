"""Shares of requests as Envoy counts them."""

from envoy.type.v3 import percent_pb2


def of_percent(value: float) -> percent_pb2.FractionalPercent:
    """A share with a precision of a ten-thousandth of a percent, rounded: 0.57 is 5700 of a million, not 5699."""
    return percent_pb2.FractionalPercent(
        numerator=round(value * 10_000), denominator=percent_pb2.FractionalPercent.MILLION
    )


def of_hundred(value: int) -> percent_pb2.FractionalPercent:
    """A share in whole percent."""
    return percent_pb2.FractionalPercent(numerator=value, denominator=percent_pb2.FractionalPercent.HUNDRED)
