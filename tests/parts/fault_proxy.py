"""A proxy for TCP that breaks connections where it is told to.

    proxy = FaultProxy(port, [Fault("c2s", 17, "reset"), None, Fault("s2c", 0, "stall")])   # of the first three connections; then none
    FaultProxy(port, step=1)   # bytes one by one, both ways

A fault happens when so many bytes of that direction have been passed on, at the latest when that direction ends: "reset" and "close" end
both sides at once, "half" ends that direction and both with the other's end, "stall" passes nothing more on, either way, until the
proxy is closed. No more is read than is passed on, so that the kernel answers for the rest as it does for a program that ended."""
import collections
import contextlib
import socket
import struct
import threading

from listening import Listening

Fault = collections.namedtuple("Fault", "direction after action")
RESET = struct.pack("ii", 1, 0)   # linger: closed by a reset


class Connection:
    """One of the proxy: two sockets, and a thread for each direction."""

    def __init__(self, proxy, near, fault):
        self.proxy, self.near, self.fault = proxy, near, fault
        self.far = socket.create_connection(("127.0.0.1", proxy.target))
        self.broken, self.halved = threading.Event(), False
        self.left = 2
        self.lock = threading.Lock()
        for s in (self.near, self.far):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for direction, source, target in (("c2s", self.near, self.far), ("s2c", self.far, self.near)):
            threading.Thread(target=self.run, args=(direction, source, target), daemon=True).start()

    def run(self, direction, source, target):
        with contextlib.suppress(OSError):
            self.carry(direction, source, target)
        with self.lock:
            self.left -= 1
            last = self.left == 0
        if last and not (self.fault and self.fault.action == "stall" and self.broken.is_set()):
            self.close()

    def carry(self, direction, source, target):
        due = self.fault.after if self.fault and self.fault.direction == direction else None
        passed = 0
        while not self.broken.is_set():
            most = 65536 if due is None else due - passed
            data = source.recv(min(most, self.proxy.step or most), socket.MSG_PEEK) if most > 0 else b""
            with self.lock:
                if due is not None and not data:
                    self.fail()
                if not data or self.broken.is_set():
                    break
                source.recv(len(data))   # taken only when it is passed on
                target.sendall(data)
            passed += len(data)
            self.proxy.bytes[direction] += len(data)
        if self.halved and due is None:
            self.close()   # a program that has not read all is no more: its kernel resets
        elif not self.broken.is_set():
            target.shutdown(socket.SHUT_WR)

    def fail(self):
        action = self.fault.action
        self.proxy.happened[action] += 1
        if action == "half":
            self.halved = True
            return
        self.broken.set()
        if action == "reset":
            for s in (self.near, self.far):
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if action != "stall":
            self.close()

    def close(self):
        """Also for a thread that waits in recv(), which would keep the socket alive; nobody hears of SHUT_RD."""
        for s in (self.near, self.far):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RD)
            s.close()


class FaultProxy(Listening):
    def __init__(self, target, faults=(), step=0):
        self.target, self.faults, self.step = target, collections.deque(faults), step
        self.happened = collections.Counter()   # faults by action
        self.bytes = collections.Counter()      # passed on, by direction
        self.connections = []
        self.start_listening()

    def take(self, near):
        fault = self.faults.popleft() if self.faults else None
        try:
            self.connections.append(Connection(self, near, fault))
        except OSError:
            near.close()   # nobody behind the proxy

    def cut(self):
        for connection in self.connections:
            connection.broken.set()
            for s in (connection.near, connection.far):
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)
                s.close()
