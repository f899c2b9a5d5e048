"""A Kubernetes API server for tests: real HTTP, one process, everything about it can be made to go wrong.

async with ApiServer() as server:
    server.put({"apiVersion": "v1", "kind": "Pod", ...})
    path = server.write_kubeconfig(tmp_path / "config")
"""

import asyncio
import base64
import dataclasses
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml
from aiohttp import web

from tests.apiserver import discovery, openapi
from tests.apiserver.access import ADMIN, AUDIENCE, Rbac, Tokens, User, user_of_certificate
from tests.apiserver.calls import Call, CallRecord
from tests.apiserver.certificates import ServerTls
from tests.apiserver.document import Document
from tests.apiserver.errors import ApiError, forbidden, no_such_path, unauthorized
from tests.apiserver.faults import ConnectionDropped, Faults
from tests.apiserver.kinds import KindRegistry
from tests.apiserver.objects import Objects
from tests.apiserver.requests import Target, named_by, parse_path, read_verb
from tests.apiserver.rest import RestApi, respond, respond_error
from tests.apiserver.reviews import Reviews
from tests.apiserver.storage import Storage
from tests.apiserver.watching import End, Pace, Watch

_HEALTH: Final = frozenset({"healthz", "livez", "readyz"})
_BODY_BYTES: Final = 3 * 1024 * 1024
# So many turns of the loop it takes at most until an accepted connection is made.
_ACCEPTING: Final = 10


class ApiServer:
    """The server; an async context manager that listens when the block is entered.

    It listens on the same port whenever it is started again, and its storage outlives a restart. Without ``tls``
    it speaks plain HTTP. Callers are asked for a token or a certificate only with ``authentication``, and for rights
    only with ``authorization``; what they call is recorded always.
    """

    def __init__(
        self,
        storage: Storage | None = None,
        *,
        host: str = "127.0.0.1",
        pace: Pace | None = None,
        tls: ServerTls | None = None,
        authentication: bool = False,
        authorization: bool = False,
    ) -> None:
        self.storage = storage or Storage()
        self.tokens = Tokens()
        self.tls = tls
        self.calls = CallRecord()
        self.faults = Faults()
        self.host = host
        self.port = 0
        self._pace = pace or Pace()
        self._streaming_lists = True
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server
        self._authentication = authentication or authorization
        self._authorization = authorization
        self._load()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    @property
    def objects(self) -> Objects:
        """The objects, to be read and written without HTTP."""
        return self._rest.objects

    @property
    def watches(self) -> frozenset[Watch]:
        """The watches that are open."""
        return frozenset(self._rest.watches)

    @property
    def is_running(self) -> bool:
        """Whether it listens."""
        return self._runner is not None

    async def start(self) -> None:
        """Listen."""
        application = web.Application(client_max_size=_BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        context, loop = self.tls.context if self.tls else None, asyncio.get_running_loop()
        server = self._runner.server
        assert server is not None
        self._listener = await loop.create_server(server, self.host, self.port, ssl=context, reuse_address=True)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End in an orderly way: watches end, answers are finished."""
        self.end_watches(End.CLOSE)
        await self._close()

    async def kill(self) -> None:
        """End as by a crash: all connections are cut."""
        self.drop_connections()
        await self._close()

    async def restart(self, storage: Storage | None = None) -> None:
        """Crash, and start again on the same port with the same storage, or with another one."""
        if self.is_running:
            await self.kill()
        if storage is not None:
            self.storage = storage
        self._load()
        await self.start()

    def put(self, *documents: Document) -> list[Document]:
        """Write objects as the cluster's controllers would: with their status, whether they exist or not."""
        return [self.objects.put(document) for document in documents]

    def put_yaml(self, text: str) -> list[Document]:
        """Write the objects of a YAML text."""
        return self.put(*(document for document in yaml.safe_load_all(text) if document))

    def remove(self, api_version: str, kind: str, name: str, namespace: str = "default") -> Document:
        """Delete an object at once, whatever its grace period; its finalizers are waited for. ApiError 404."""
        return self.objects.delete(self._target(api_version, kind, name, namespace), {"gracePeriodSeconds": 0})

    def read(self, api_version: str, kind: str, name: str, namespace: str = "default") -> Document:
        """One object. ApiError 404 when there is none."""
        return self.objects.read(self._target(api_version, kind, name, namespace))

    def compact(self) -> None:
        """Forget the history: watches from before are answered with 410."""
        self.storage.compact()

    def set_streaming_lists(self, *, enabled: bool) -> None:
        """Let watches begin with the list (``sendInitialEvents``), or refuse that as older servers do."""
        self._streaming_lists = self._rest.streaming_lists = enabled

    def send_bookmarks(self) -> None:
        """Send a bookmark on every watch that takes them."""
        for watch in self.watches:
            watch.send_bookmark()

    def end_watches(self, how: End, resource: str = "") -> int:
        """End the open watches, or those of a resource; how many there were."""
        chosen = [watch for watch in self.watches if resource in {"", watch.target.kind.plural}]
        for watch in chosen:
            watch.end(how)
        return len(chosen)

    def fail_watches(self, error: ApiError, resource: str = "") -> int:
        """Send an ERROR event on the open watches, or on those of a resource; how many there were."""
        chosen = [watch for watch in self.watches if resource in {"", watch.target.kind.plural}]
        for watch in chosen:
            watch.fail(error)
        return len(chosen)

    def drop_connections(self) -> None:
        """Cut all connections."""
        _cut(self._runner.server if self._runner else None)

    def kubeconfig(self, context: str = "test", **user: object) -> dict[str, Any]:
        """A kubeconfig for it; ``user`` holds credentials, as for instance ``token``."""
        trusted = base64.b64encode(self.tls.authority.roots).decode() if self.tls else None
        cluster = {"server": self.url} | ({"certificate-authority-data": trusted} if trusted else {})
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": context, "cluster": cluster}],
            "users": [{"name": context, "user": user}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": context, "namespace": "default"}}],
            "current-context": context,
        }

    def write_kubeconfig(self, path: Path, context: str = "test", **user: object) -> Path:
        """Write a kubeconfig to a file."""
        path.write_text(yaml.safe_dump(self.kubeconfig(context, **user)))
        return path

    async def __aenter__(self) -> Self:
        """Listen."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self.faults.clear()
        if self.is_running:
            await self.kill()
        self.storage.close()

    def _load(self) -> None:
        self._rbac = Rbac(self.storage)
        reviews = Reviews(self.tokens, self._rbac, allow_all=not self._authorization)
        self._rest = RestApi(Objects(self.storage, KindRegistry()), reviews, self._pace)
        self._rest.streaming_lists = self._streaming_lists

    async def _close(self) -> None:
        runner, self._runner = self._runner, None
        if runner is None:
            return
        loop = asyncio.get_running_loop()
        for listening in self._listener.sockets:
            loop.remove_reader(listening)
        # Nobody is accepted any more. Who was is connected some turns of the loop later, and would never be closed by
        # asyncio, if it has closed the listener by then, nor by aiohttp, if it has begun to close the others.
        for _ in range(_ACCEPTING):
            await asyncio.sleep(0)
        self._listener.close()
        await runner.cleanup()

    def _target(self, api_version: str, kind: str, name: str, namespace: str) -> Target:
        served = self.objects.kinds.by_kind(api_version, kind)
        if served is None:
            raise LookupError(f"no such kind: {api_version} {kind}")
        version = api_version.rpartition("/")[2]
        return Target(served, version, namespace if served.namespaced else "", name, "", "get")

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except ApiError as error:
            return respond_error(error)
        except ConnectionDropped:
            if request.transport is not None:
                request.transport.abort()
            raise asyncio.CancelledError from None  # nobody is left to be answered
        except ConnectionResetError:
            raise asyncio.CancelledError from None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = parse_path(request.path)
        if path is None:
            await self._admit(request, Call("", request.method.lower(), "-", request.path))
            return self._answer_path(request)
        verb = read_verb(request.method, path, request.query)
        resource = f"{path.plural}/{path.subresource}" if path.subresource else path.plural
        name = named_by(path, request.query)
        user = await self._admit(request, Call("", verb, path.group, resource, path.namespace, name))
        target = self._rest.resolve(path, verb)
        return await self._rest.serve(target, request, user)

    async def _admit(self, request: web.Request, call: Call) -> User:
        """Who calls, when they may. Faults come first: an overloaded server does not even ask."""
        user = self._authenticate(request)
        call = dataclasses.replace(call, user=user.name if user else "")
        self.calls.add(call)
        await self.faults.meet(call)
        if user is None:
            raise unauthorized()
        if self._authorization and not self._rbac.allows(user, call):
            where = f' in the namespace "{call.namespace}"' if call.namespace else " at the cluster scope"
            what = f'cannot {call.verb} resource "{call.resource}" in API group "{call.group}"'
            raise forbidden(call.resource, call.name, f'User "{user.name}" {what}{where}', call.group)
        return user

    def _authenticate(self, request: web.Request) -> User | None:
        certificate = request.transport.get_extra_info("peercert") if request.transport else None
        if certificate:
            return user_of_certificate(certificate)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        claims = self.tokens.verify(token) if scheme == "Bearer" else None
        if claims and AUDIENCE in claims.audiences:
            return claims.user
        return None if self._authentication else ADMIN

    def _answer_path(self, request: web.Request) -> web.Response:
        parts = request.path.strip("/").split("/")
        if parts[0] in _HEALTH:
            return web.Response(text="ok")
        if parts == ["version"]:
            return respond(discovery.VERSION)
        kinds = self.objects.kinds
        if parts in (["api"], ["apis"]) and discovery.wants_aggregated(request.headers.get("Accept", "")):
            body = discovery.aggregated(kinds, core=parts == ["api"])
            return respond(body, content_type=discovery.aggregated_content_type())
        document = self._discover(parts)
        if document is None:
            raise no_such_path()
        return respond(document)

    def _discover(self, parts: list[str]) -> Document | None:
        kinds = self.objects.kinds
        match parts:
            case ["api"]:
                return discovery.core_versions(f"{self.host}:{self.port}")
            case ["apis"]:
                return discovery.group_list(kinds)
            case ["apis", group]:
                return discovery.group(kinds, group)
            case ["api", version]:
                return discovery.resource_list(kinds, "", version)
            case ["apis", group, version]:
                return discovery.resource_list(kinds, group, version)
            case _:
                return openapi.find(kinds, parts)


def _cut(server: web.Server | None) -> None:
    """Cut the connections of a server."""
    for connection in server.connections if server else ():
        if connection.transport is not None:
            connection.transport.abort()
