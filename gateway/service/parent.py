"""The parent process: opens the sockets, starts workers, watches them, reloads, drains. It touches no mail.

Signals: SIGTERM and SIGINT drain and exit 0; SIGHUP reads config and rules again; rules and lists that change
are read again by themselves (`gateway.service.reload`). A worker that dies is started anew
(`gateway.service.children`); the sockets stay open, so nobody is refused meanwhile (SMTP.md rule 26).
"""

import contextlib
import gc
import logging
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from gateway.config import Config
from gateway.errors import Problem
from gateway.service.bundle import Bundle, build_policy, read_bundle
from gateway.service.children import WEB, Child, Children
from gateway.service.control import Channel, Count, Drain, Reload, TellEditors, Word
from gateway.service.editors import Editors
from gateway.service.eyes.table import Table
from gateway.service.ledger import prepare_ledger
from gateway.service.lines import start_logging
from gateway.service.reload import Refused, Reloader, Taken, watched
from gateway.service.shadow import with_shadow
from gateway.service.sockets import name_of, open_listeners, open_web, turn_away
from gateway.service.systemd import Supervisor, take_sockets
from gateway.service.watch import Watch
from gateway.transaction.policy import Policy

log = logging.getLogger("careerrelay")

#: How long all workers may take to stop accepting before those who wait in the queue are turned away all the
#: same.
STOP_SECONDS = 5.0
#: What is added to the drain bound before a worker that hangs is killed.
KILL_GRACE = 10.0

_SHADOW_REFUSED = "candidate rules refused, they are not judged, or go on as they were"
_RELOAD_REFUSED = "reload refused, the last good config stays"


class Parent:
    """The process that an admin starts.

    Args:
        path: the config file; read again at each SIGHUP.
        bundle, policy: what was read at the start, and what was made of it.
    """

    def __init__(self, path: Path, bundle: Bundle, policy: Policy) -> None:
        self._path = path
        self._reloader = Reloader(path=path, bundle=bundle, policy=policy)
        self._watch = Watch()
        self._editors = Editors()
        self._listeners: list[socket.socket] = []
        self._web: list[socket.socket] = []
        self._signals: list[int] = []
        self._draining = False
        self._ledger_ready = False
        self._announced = False
        self._supervisor = Supervisor()
        self._passed = take_sockets()
        self._selector = selectors.DefaultSelector()
        self._table = Table(bundle.config.gateway.worker_count)
        self._children = Children(work=self._work, selector=self._selector, table=self._table)

    def run(self) -> int:
        """Serve until a signal says otherwise; gives the exit code.

        Raises:
            ConfigError: the sockets can't be opened.
        """
        self._listeners = open_listeners(self._bundle.config, file=str(self._path), passed=self._passed)
        self._open_passed()
        self._catch_signals()
        self._watch.aim(watched(self._bundle))
        self._ledger_ready = prepare_ledger(self._bundle)
        _import_everything()
        self._table.parent.set("started", time.time())
        self._table.parent.set("workers-wanted", self._bundle.config.gateway.worker_count)
        gc.collect()
        gc.freeze()  # what is there now is shared with the workers; the collector must not touch its pages
        for index in range(self._bundle.config.gateway.worker_count):
            self._start(index)
        if wants_web(self._bundle.config):
            self._start(WEB)
        while self._children:
            self._step()
        log.info("gateway ends")
        return 0

    def _open_passed(self) -> None:
        """Take the web server's sockets from those that we were started with; close what nobody wants."""
        if self._passed and wants_web(self._bundle.config):
            self._open_web()
        for one in self._passed:
            fields = {
                "socket": name_of(one),
                "remedy": "take it out of the .socket unit",
            }
            log.warning("socket of systemd that the config does not name", extra={"fields": fields})
            one.close()
        self._passed.clear()

    @property
    def _bundle(self) -> Bundle:
        """What holds now."""
        return self._reloader.bundle

    # --- children -----------------------------------------------------------------------------------------

    def _start(self, index: int) -> None:
        if index != WEB or self._open_web():
            self._children.start(index)

    def _open_web(self) -> bool:
        """Whether the web server has its sockets. Mail doesn't wait for them: they are tried again."""
        if self._web or self._bundle.config.web.listen is None:
            return True
        try:
            self._web = open_web(self._bundle.config, passed=self._passed)
        except OSError as error:
            pause = self._children.put_off(WEB, least=1.0)
            fields = {"detail": error.strerror, "tries_again_in": pause}
            log.error("web server can't start, mail goes on", extra={"fields": fields})  # noqa: TRY400 - it says all
            return False
        return True

    def _work(self, channel: Channel, index: int) -> None:
        """What a child does."""
        from gateway.service.process import run_web, run_worker  # noqa: PLC0415 - only children need an event loop

        for other in self._listeners if index == WEB else self._web:
            other.close()
        if index == WEB:
            run_web(self._reloader.bundle, self._web, channel, self._table)
            return
        run_worker(
            self._reloader.bundle,
            self._reloader.policy,  # shared with us and the other workers, as long as nobody changes it
            self._listeners,
            channel,
            self._table,
            index=index,
            create=not self._ledger_ready,
        )

    # --- the loop -----------------------------------------------------------------------------------------

    def _catch_signals(self) -> None:
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.settimeout(0)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._wakeup = (reader, writer)
        self._selector.register(reader, selectors.EVENT_READ, None)

        def note(number: int, frame: FrameType | None) -> None:
            del frame
            self._signals.append(number)

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, note)

    def _step(self) -> None:
        parts = (self._children, self._watch, self._editors, self._supervisor)
        waits = [part.wait() for part in parts]
        self._listen(min((wait for wait in waits if wait is not None), default=None))
        # Taken all at once: ten SIGHUPs that came during one reload ask for one more, and whoever wants us to
        # go needn't wait for any of them.
        signals, self._signals = self._signals, []
        if signal.SIGTERM in signals or signal.SIGINT in signals:
            self._drain()
        elif signal.SIGHUP in signals:
            self._reload()
        elif self._watch.changed():
            self._follow()
        self._tell_editors()
        self._children.reap(again=not self._draining)
        for index in self._children.take_due():
            self._start(index)

    def _listen(self, timeout: float | None) -> None:
        """Wait for a signal or a word from a worker, for at most so long."""
        self._supervisor.beat()
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    self._wakeup[0].recv(4_096)
            else:
                self._hear(key.data)

    def _hear(self, child: Child) -> None:
        for word in self._children.hear(child):
            if word is Word.READY:
                child.ready = True
                self._children.count_ready()
                if child.index == WEB:
                    places = ", ".join(map(name_of, self._web))
                    log.info(
                        "web server is ready", extra={"fields": {"process": child.pid, "listen": places}}
                    )
                self._announce()
            elif word is Word.STOPPED:
                child.stopped = True
            elif word is Word.RELOADED:
                log.info("reloaded", extra={"fields": {"worker": child.pid}})
            elif word is Word.RELOAD_FAILED:
                log.error("worker refused to reload", extra={"fields": {"worker": child.pid}})

    def _announce(self) -> None:
        """Say once, on standard error, that mail is taken now."""
        if self._announced or not all(child.ready for child in self._children.workers):
            return
        self._announced = True
        self._ready()
        places = ", ".join(
            f"{name_of(listener)} ({listen.protocol})"
            for listener, listen in zip(self._listeners, self._bundle.config.listen, strict=True)
        )
        sys.stderr.write(f"careerrelay: ready on {places}\n")
        sys.stderr.flush()

    def _ready(self, word: str = "") -> None:
        self._supervisor.ready(f"{word}taking mail on {', '.join(map(name_of, self._listeners))}")

    # --- reload and drain ---------------------------------------------------------------------------------

    def _reload(self) -> None:
        """Read everything again; hand it to the workers if all of it is good, else change nothing."""
        self._watch.aim(watched(self._bundle))  # before it is read: what changes meanwhile is seen
        self._supervisor.reloading()
        self._go_on(self._reloader.everything)
        gc.collect()  # what was read is full of circles, and the collector else never comes by here
        refused = self._table.parent.get("rules-refused")
        self._ready("reload refused, see the log; " if refused else "")

    def _follow(self) -> None:
        """The same for rules, footers and lists that have changed by themselves."""
        self._go_on(self._reloader.files)
        gc.collect()

    def _go_on(self, read: Callable[[], Taken | Refused | None]) -> None:
        before, places = self._bundle, watched(self._bundle)
        try:
            result = read()
        except Exception:
            log.exception(_RELOAD_REFUSED)
            self._table.parent.set("rules-refused", 1)
            self._children.tell_one(Count("reload-refused"))
            return
        self._table.parent.set("rules-refused", isinstance(result, Refused))
        if isinstance(result, Refused):
            for problem in result.problems:
                log.error(_RELOAD_REFUSED, extra={"fields": {"problem": str(problem)}})
            self._children.tell_one(Count("reload-refused"))
            if result.of_rules and self._bundle.config.rules.editors:
                self._editors.refused([str(problem) for problem in result.problems])
            return
        self._editors.good()
        if result is None:
            return
        self._tell_of_shadow(result.shadow)
        if result.bundle is before:
            return
        for key in result.waiting:
            log.warning("this change holds only after a restart", extra={"fields": {"key": key}})
        bundle = result.bundle
        if watched(bundle) != places:
            self._watch.aim(watched(bundle))
        start_logging(form=bundle.config.log.format, level=bundle.config.log.level)
        for child in self._children:
            self._children.tell(child, Reload(bundle))

    def _tell_of_shadow(self, problems: Sequence[Problem]) -> None:
        """The candidate set has mistakes: those who write it are told, and nothing else is different."""
        for problem in problems:
            log.error(_SHADOW_REFUSED, extra={"fields": {"problem": str(problem)}})
        if problems:
            self._children.tell_one(Count("shadow-refused"))
            if self._bundle.config.rules.editors:
                self._editors.refused([str(problem) for problem in problems])

    def _tell_editors(self) -> None:
        problems = self._editors.take()
        if problems is not None:
            self._children.tell_one(TellEditors(problems))

    def _drain(self) -> None:
        """Let the workers finish; once none accepts, answer 421 to those in the queue; then go."""
        if self._draining:
            return
        self._draining = True
        self._table.parent.set("draining", 1)
        self._supervisor.stopping()
        self._children.start_no_more()
        for listener in self._web:
            listener.close()  # the web process has them too, and goes on until it is through
        for child in self._children:
            with contextlib.suppress(OSError):
                child.channel.send(Drain())
        self._wait_for(lambda: all(child.stopped for child in self._children), STOP_SECONDS)
        listen = self._bundle.config.listen
        implicit = {index for index, one in enumerate(listen) if one.tls_mode == "implicit"}
        turned = turn_away(self._listeners, implicit=implicit)
        log.info("draining", extra={"fields": {"turned_away": turned}})
        self._wait_for(lambda: not self._children, self._bundle.config.gateway.drain_seconds + KILL_GRACE)
        self._children.end()

    def _wait_for(self, condition: Callable[[], bool], seconds: float) -> None:
        """Listen to the children until it holds, but not for longer."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not condition():
            self._listen(0.1)
            self._children.reap(again=False)


def wants_web(config: Config) -> bool:
    """Whether there is anything for the web process to do: requests to take, or sends to tell partners of."""
    return config.web.listen is not None or any(one.push_url is not None for one in config.partner)


def _import_everything() -> None:
    """Load what the workers need, once, before they are made: they then share its memory."""
    import gateway.service.process  # noqa: F401, PLC0415


def serve(path: Path) -> int:
    """Run the gateway with this config file; gives the exit code.

    Raises:
        ConfigError: with everything that keeps it from starting.
    """
    bundle = read_bundle(path)
    start_logging(form=bundle.config.log.format, level=bundle.config.log.level)
    bundle, problems = with_shadow(bundle)
    for problem in problems:
        log.error(_SHADOW_REFUSED, extra={"fields": {"problem": str(problem)}})
    return Parent(path, bundle, build_policy(bundle, examples=True)).run()
