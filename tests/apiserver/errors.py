"""Refusals, as the API server words them: a ``Status`` with code, reason, message and details."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.apiserver.document import Document


class ApiError(Exception):
    """A request that is refused; becomes a Status, or an ERROR event of a watch."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = dict(details or {})
        self.metadata = dict(metadata or {})

    @property
    def retry_after(self) -> int | None:
        """The seconds of the header Retry-After."""
        seconds = self.details.get("retryAfterSeconds")
        return int(seconds) if seconds is not None else None

    def status(self) -> Document:
        """The body of the answer."""
        body: Document = {"kind": "Status", "apiVersion": "v1", "metadata": self.metadata, "status": "Failure"}
        body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        return body | {"code": self.code}


def bad_request(message: str) -> ApiError:
    """400: the request cannot be understood."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """401: who calls is not known, or no longer."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(resource: str, name: str, message: str, group: str = "") -> ApiError:
    """403: not allowed."""
    subject = f'{_title(resource, group)} "{name}" is forbidden' if name else f"{_title(resource, group)} is forbidden"
    return ApiError(403, "Forbidden", f"{subject}: {message}", details=_details(resource, group, name))


def not_found(resource: str, name: str, group: str = "") -> ApiError:
    """404: no such object."""
    message = f'{_title(resource, group)} "{name}" not found'
    return ApiError(404, "NotFound", message, details=_details(resource, group, name))


def no_such_path() -> ApiError:
    """404: no such kind, version or subresource."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def method_not_allowed() -> ApiError:
    """405: the kind cannot be used so."""
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def already_exists(resource: str, name: str, group: str = "") -> ApiError:
    """409: the name is taken."""
    message = f'{_title(resource, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details=_details(resource, group, name))


def conflict(resource: str, name: str, why: str = "", group: str = "") -> ApiError:
    """409: somebody else wrote in between."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {_title(resource, group)} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_details(resource, group, name))


def apply_conflict(conflicts: Sequence[tuple[str, str]]) -> ApiError:
    """409: fields (manager, path) that server-side apply would take away from another manager."""
    causes = [
        {"reason": "FieldManagerConflict", "message": f'conflict with "{manager}"', "field": path}
        for manager, path in conflicts
    ]
    listed = "\n- ".join(f'conflict with "{manager}": {path}' for manager, path in conflicts)
    message = f"Apply failed with {len(conflicts)} conflict{'s' * (len(conflicts) > 1)}: {listed}"
    return ApiError(409, "Conflict", message, details={"causes": causes})


def expired(message: str, continue_token: str = "") -> ApiError:
    """410: the revision that was asked for is compacted; a token may continue with the newest state instead."""
    return ApiError(410, "Expired", message, metadata={"continue": continue_token} if continue_token else None)


def compacted(wanted: int, oldest: int) -> ApiError:
    """410: a watch wants to start before the oldest revision that is kept."""
    return expired(f"too old resource version: {wanted} ({oldest})")


def unsupported_media_type(got: str, accepted: Sequence[str]) -> ApiError:
    """415: a body of another format."""
    message = (
        f"the body of the request was in an unknown format - accepted media types include: "
        f"{', '.join(accepted)}, not {got or 'none'}"
    )
    return ApiError(415, "UnsupportedMediaType", message)


def invalid(kind: str, group: str, name: str, causes: Sequence[tuple[str, str]]) -> ApiError:
    """422: the object is not valid; the causes are (field path, what is wrong)."""
    listed = ", ".join(f"{path}: {problem}" for path, problem in causes)
    details = _details(kind, group, name)
    details["causes"] = [{"reason": "FieldValueInvalid", "message": text, "field": path} for path, text in causes]
    text = listed if len(causes) == 1 else f"[{listed}]"
    return ApiError(422, "Invalid", f'{_title(kind, group)} "{name}" is invalid: {text}', details=details)


def too_many_requests(seconds: int = 1) -> ApiError:
    """429: come back later."""
    message = "Too many requests, please try again later."
    return ApiError(429, "TooManyRequests", message, details={"retryAfterSeconds": seconds})


def internal(message: str) -> ApiError:
    """500: the server's own fault."""
    text = f"Internal error occurred: {message}"
    return ApiError(500, "InternalError", text, details={"causes": [{"message": message}]})


def too_large_revision(wanted: int, newest: int) -> ApiError:
    """504: a revision from the future; the API server gives up waiting for it."""
    details = {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}
    message = f"Too large resource version: {wanted}, current: {newest}"
    return ApiError(504, "Timeout", message, details=details | {"retryAfterSeconds": 1})


def _title(resource: str, group: str) -> str:
    return f"{resource}.{group}" if group else resource


def _details(resource: str, group: str, name: str) -> Document:
    details = {"name": name, "group": group, "kind": resource}
    return {field: value for field, value in details.items() if value}
