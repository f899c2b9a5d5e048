"""The Kubernetes API over HTTP: requests in, answers and watches out."""

import dataclasses
from collections.abc import Callable
from typing import Any, Final

import msgspec
import yaml
from aiohttp import web

from tests.apiserver import patches, representation
from tests.apiserver.access import User
from tests.apiserver.document import Document, metadata_of, name_of
from tests.apiserver.errors import (
    ApiError,
    bad_request,
    invalid,
    method_not_allowed,
    no_such_path,
    unsupported_media_type,
)
from tests.apiserver.objects import Objects
from tests.apiserver.requests import ResourcePath, Target, read_list_query
from tests.apiserver.reviews import Reviews
from tests.apiserver.scale import set_scale, show_scale
from tests.apiserver.schemas import find_schema, judge
from tests.apiserver.selectors import Selector, parse_selectors
from tests.apiserver.watching import End, Pace, Watch

_WARNINGS: Final = web.RequestKey("warnings", list[str])
_JSON: Final = "application/json"
_YAML: Final = "application/yaml"
_PATCHES: Final = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)


class RestApi:
    """Serves the kinds; knows which watches are open."""

    def __init__(self, objects: Objects, reviews: Reviews, pace: Pace) -> None:
        self.objects = objects
        self.reviews = reviews
        self.pace = pace
        self.watches: set[Watch] = set()
        # Whether a watch may begin with the list: the feature WatchList.
        self.streaming_lists = True

    def resolve(self, path: ResourcePath, verb: str) -> Target:
        """What a path leads to. ApiError 404 when there is nothing, 405 when it cannot be used so."""
        kind = self.objects.kinds.find(path.group, path.version, path.plural)
        if kind is None or (path.namespace and not kind.namespaced):
            raise no_such_path()
        if path.subresource and path.subresource not in kind.subresources:
            raise no_such_path()
        if not path.subresource and verb not in kind.verbs:
            raise method_not_allowed()
        return Target(kind, path.version, path.namespace, path.name, path.subresource, verb)

    async def serve(self, target: Target, request: web.Request, user: User) -> web.StreamResponse:
        """Answer a request. Raises ApiError."""
        if target.verb == "create" and (target.subresource or target.kind.verbs == ("create",)):
            review = self.reviews.answer(target, await _read_object(request), user)
            if review is None:
                raise method_not_allowed()
            return respond(review, 201)
        form = representation.wanted_form(request.headers.get("Accept", ""))
        match target.verb:
            case "watch":
                return await self._watch(target, request, form)
            case "list":
                return self._list(target, request, form)
            case "deletecollection":
                return await self._delete_collection(target, request)
            case "delete":
                return await self._delete(target, request)
            case _:
                return await self._serve_single(target, request, form)

    async def _serve_single(self, target: Target, request: web.Request, form: str) -> web.Response:
        document = await self._single(target, request)
        if target.subresource == "scale":
            return respond(document)
        status = 201 if target.verb == "create" else 200
        response = respond(representation.show_object(target, document, form), status)
        for warning in request.get(_WARNINGS, ()):
            response.headers.add("Warning", f'299 - "{warning}"')
        return response

    async def _single(self, target: Target, request: web.Request) -> Document:
        if target.subresource == "scale":
            return await self._scale(target, request)
        dry_run = "dryRun" in request.query
        match target.verb:
            case "get":
                return self.objects.read(target)
            case "create":
                if target.name:
                    raise method_not_allowed()
                document = _validate(target, await _read_object(request), request)
                return self.objects.create(target, document, dry_run=dry_run)
            case "update":
                document = _validate(target, await _read_object(request), request)
                return self.objects.update(target, document, dry_run=dry_run)
            case "patch":
                change = await _read_patch(target, request)
                return self.objects.patch(target, lambda old: _validate(target, change(old), request), dry_run=dry_run)
            case _:
                raise method_not_allowed()

    async def _scale(self, target: Target, request: web.Request) -> Document:
        """Read or write the scale of an object: a write is one of the object itself."""
        whole = dataclasses.replace(target, subresource="")
        document = self.objects.read(whole)
        if target.verb != "get":
            scale = await _read_object(request) if target.verb == "update" else None
            change = None if scale is not None else await _read_patch(target, request)
            wanted = change(show_scale(document)) if change is not None else scale
            document = self.objects.update(whole, set_scale(document, wanted or {}), dry_run="dryRun" in request.query)
        return show_scale(document)

    def _list(self, target: Target, request: web.Request, form: str) -> web.Response:
        query = read_list_query(request.query, target.kind)
        select = _selector(target, request)
        return respond(representation.show_list(target, self.objects.list(target, query, select), form))

    async def _delete(self, target: Target, request: web.Request) -> web.Response:
        options = await _read_options(request)
        dry_run = "dryRun" in request.query
        gone = self.objects.delete(target, options, dry_run=dry_run)
        if metadata_of(gone).get("deletionTimestamp") and not dry_run:
            return respond(target.convert(gone))
        details = {"name": target.name, "group": target.kind.group, "kind": target.kind.plural}
        details = {name: value for name, value in details.items() if value} | {"uid": metadata_of(gone)["uid"]}
        return respond({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})

    async def _delete_collection(self, target: Target, request: web.Request) -> web.Response:
        query = read_list_query(request.query, target.kind)
        options = await _read_options(request)
        page = self.objects.list(target, query, _selector(target, request))
        for item in page.items:
            metadata = metadata_of(item)
            one = Target(target.kind, target.version, metadata.get("namespace", ""), metadata["name"], "", target.verb)
            self.objects.delete(one, options, dry_run="dryRun" in request.query)
        return respond(representation.show_list(target, page, ""))

    async def _watch(self, target: Target, request: web.Request, form: str) -> web.StreamResponse:
        query = read_list_query(request.query, target.kind)
        if query.initial_events is not None and not self.streaming_lists:
            text = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
            raise ApiError(
                422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: {text}'
            )
        watch = Watch(target, query, _selector(target, request), self.objects.storage)
        self.watches.add(watch)
        try:
            return await self._stream(watch, request, form)
        finally:
            self.watches.discard(watch)
            watch.close()

    async def _stream(self, watch: Watch, request: web.Request, form: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": _JSON})
        response.enable_chunked_encoding()
        await response.prepare(request)
        async for event in watch.events(self.pace):
            shown = representation.show_event(watch.target, event, form)
            await response.write(msgspec.json.encode(shown) + b"\n")
        if watch.ended is End.DROP and request.transport is not None:
            request.transport.abort()
        return response


def respond(document: Document, status: int = 200, content_type: str = _JSON) -> web.Response:
    """An answer in JSON."""
    return web.Response(body=msgspec.json.encode(document), status=status, headers={"Content-Type": content_type})


def respond_error(error: ApiError) -> web.Response:
    """A refusal."""
    response = respond(error.status(), error.code)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _validate(target: Target, document: Document, request: web.Request) -> Document:
    """The document without unknown fields. ApiError 400 when these are refused, 422 when the rest is invalid."""
    schema = find_schema(target.kind, target.version)
    if schema is None or not isinstance(document, dict):
        return document
    verdict = judge(schema, document)
    problems = [f'unknown field "{path}"' for path in verdict.unknown]
    wanted = request.query.get("fieldValidation", "Warn")
    if problems and wanted == "Strict":
        what = f'{target.kind.kind} in version "{target.version}" cannot be handled as a {target.kind.kind}'
        raise bad_request(f"{what}: strict decoding error: {', '.join(problems)}")
    if problems and wanted == "Warn":
        request[_WARNINGS] = [problem.replace('"', '\\"') for problem in problems]
    if verdict.problems and target.subresource != "status":
        raise invalid(target.kind.kind, target.kind.group, name_of(document), verdict.problems)
    return dict(verdict.document)


def _selector(target: Target, request: web.Request) -> Selector:
    query = request.query
    return parse_selectors(query.get("labelSelector", ""), query.get("fieldSelector", ""), target.kind.table)


async def _read_object(request: web.Request) -> Document:
    document = await _read_body(request)
    if not isinstance(document, dict):
        raise bad_request("the body is no object")
    return document


async def _read_options(request: web.Request) -> Document:
    """The DeleteOptions of a request: its body, and its query where the body says nothing."""
    options: Document = {}
    if request.query.get("gracePeriodSeconds"):
        options["gracePeriodSeconds"] = int(request.query["gracePeriodSeconds"])
    if request.can_read_body:
        body = await _read_body(request)
        options |= {name: value for name, value in body.items() if value is not None}
    return options


async def _read_body(request: web.Request) -> Any:  # noqa: ANN401 - JSON
    body = await request.read()
    try:
        match request.content_type:
            case "application/json" | "application/octet-stream":
                return msgspec.json.decode(body)
            case "application/yaml":
                return yaml.safe_load(body)
            case other:
                raise unsupported_media_type(other, (_JSON, _YAML))
    except (msgspec.DecodeError, yaml.YAMLError) as error:
        raise bad_request(f"the object provided is unrecognized: {error}") from error


async def _read_patch(target: Target, request: web.Request) -> Callable[[Document], Document]:
    body = await request.read()
    try:
        patch = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    match request.content_type:
        case "application/json-patch+json":
            return lambda document: patches.json_patch(document, patch)
        case "application/merge-patch+json":
            return lambda document: patches.merge_patch(document, patch)
        case "application/strategic-merge-patch+json" if not target.kind.custom:
            return lambda document: patches.strategic_merge(document, patch)
        case other:
            raise unsupported_media_type(other, _PATCHES[: 2 if target.kind.custom else 3])
