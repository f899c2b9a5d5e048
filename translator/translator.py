"""The facade: objects go in, Views of Envoy resources come out.

Everything hangs off one ``Translator``; a second one can be built beside it, for a comparison, at any time.
"""

from collections.abc import Iterable

from translator.database import Database
from translator.model.proxy import Proxy, ViewKey, view_key
from translator.node import Node, find_culprit
from translator.objects.registry import ObjectKey
from translator.provenance import planned_from
from translator.settings import Settings
from translator.store import Touched, Write
from translator.view import Failure, View
from xds.types import TypeUrl


class Binding:
    """A connected proxy and the View it belongs to. Made by ``Translator.bind``."""

    def __init__(self, translator: "Translator", proxy: Proxy) -> None:
        self.proxy = proxy
        self._translator = translator
        self._node = translator.db.watch(view_key, (proxy,), self)
        self.view = translator.acquire(self._current_key())

    def invalidated(self, _node: Node) -> None:
        """Called by the engine: the proxy may belong to another View now."""
        self._translator.stale_bindings[self] = None

    def rebind(self) -> bool:
        """Find out which View the proxy belongs to; returns whether it is another one than before.

        A View that nobody used before is still to be refreshed.
        """
        self._translator.stale_bindings.pop(self, None)
        key = self._current_key()
        if key == self.view.key:
            return False
        before, self.view = self.view, self._translator.acquire(key)
        self._translator.release(before)
        return True

    def close(self) -> None:
        """The proxy is gone."""
        self._translator.stale_bindings.pop(self, None)
        self._translator.db.unwatch(self._node, self)
        self._translator.release(self.view)

    def _current_key(self) -> ViewKey:
        key: ViewKey = self._translator.db.pull(self._node)
        return key


class Translator:
    """Merges mesh objects into what each class of proxies sees. Single-threaded, without I/O and without clock."""

    def __init__(self, settings: Settings) -> None:
        self.db = Database(settings)
        # Filled by the engine while writes are applied; whoever pushes takes them from here.
        self.stale_views: dict[View, None] = {}
        # Those of them whose endpoints may have changed, and those that may have lost some which proxies use.
        self.urgent_views: dict[View, None] = {}
        self.losing_views: dict[View, None] = {}
        self.stale_bindings: dict[Binding, None] = {}
        self._views: dict[ViewKey, View] = {}

    @property
    def views(self) -> Iterable[View]:
        """Every View that somebody uses."""
        return self._views.values()

    def apply(self, writes: Iterable[Write]) -> set[Touched]:
        """Write objects; returns what really changed. Views and bindings concerned are then stale."""
        return self.db.apply(writes)

    def bind(self, proxy: Proxy) -> Binding:
        """The View for a proxy, kept alive until the binding is closed. A new View is still to be refreshed."""
        return Binding(self, proxy)

    def acquire(self, key: ViewKey) -> View:
        """The View of a key, shared and counted; give it back with ``release``."""
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = View(self.db, key, self._announce)
            self._announce(view)
        view.users += 1
        return view

    def release(self, view: View) -> None:
        """Give back a View; the last user's release drops it, and ``db.sweep`` everything that only it needed."""
        view.users -= 1
        if not view.users:
            del self._views[view.key]
            self.settle(view)
            view.close()

    def settle(self, view: View) -> None:
        """The View is up to date, or nobody needs it."""
        self.stale_views.pop(view, None)
        self.urgent_views.pop(view, None)
        self.losing_views.pop(view, None)

    def note_losses(self, view: View) -> None:
        """Somebody looks for what the View has lost; once it is known, others have their turn."""
        if not view.may_lose:
            self.losing_views.pop(view, None)

    def put_back(self, view: View) -> None:
        """Others that are stale have their turn before this one."""
        self.stale_views[view] = self.stale_views.pop(view)

    def origins(self, view: View, type_url: TypeUrl, name: str) -> tuple[ObjectKey, ...]:
        """The objects that shaped a resource of a View, sorted; empty when the View has no such resource."""
        node = view.node(type_url, name)
        if node is None:
            return ()
        recorded = self.db.origins(node)
        planned = planned_from(self.db, view.key, type_url, name)
        self.db.release_unused()
        return self.db.origin_objects({*recorded, *planned})

    def blamed(self, failure: Failure) -> tuple[ObjectKey, ...]:
        """The objects that the innermost query behind a failure has read, sorted: one of them is what it trips over."""
        if failure.node is None:
            return ()
        innermost = find_culprit(failure.node)
        return self.db.origin_objects(self.db.origins(innermost))

    def _announce(self, view: View) -> None:
        self.stale_views[view] = None
        if view.is_urgent:
            self.urgent_views[view] = None
        if view.may_lose:
            self.losing_views[view] = None
