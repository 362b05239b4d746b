"""A proxy for Kafka's protocol that loses answers and keeps the rules of Event Hubs.

    with KafkaProxy(kafka) as proxy:      # clients reach the broker at proxy.bootstrap, and nowhere else
        proxy.lose(PRODUCE, 3)            # the next three answers to requests of this kind: the connection is reset instead
        proxy.idle = 2                    # seconds until a connection on which nothing happens is cut
        proxy.delay = 0.2                 # seconds that every answer is held back
        proxy.cut()                       # all connections, now

The broker has read and carried out a request whose answer is lost. A request that is larger than `largest` ends its connection
without an answer, as Event Hubs does. Requests are known by the numbers of the protocol."""
import collections
import contextlib
import select
import socket
import struct
import threading
import time

from fault_proxy import RESET
from listening import Listening

PRODUCE, FETCH, METADATA, OFFSET_COMMIT, FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT = 0, 1, 3, 8, 10, 11, 12
INIT_PRODUCER_ID, ADD_PARTITIONS_TO_TXN, ADD_OFFSETS_TO_TXN, END_TXN, TXN_OFFSET_COMMIT = 22, 24, 25, 26, 28
LARGEST_OF_EVENT_HUBS = 1_046_528
LOOK = 0.05   # seconds between looks at the time


class Connection:
    def __init__(self, proxy, near):
        self.proxy, self.near = proxy, near
        self.far = socket.create_connection(("127.0.0.1", proxy.target))
        self.kinds = {}        # of requests without an answer, by their number
        self.ended = threading.Event()
        self.moved = time.monotonic()
        for s in (self.near, self.far):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for run in (self.requests, self.answers):
            threading.Thread(target=self.run, args=(run,), daemon=True).start()

    def run(self, what):
        with contextlib.suppress(OSError, ValueError, EOFError):   # ValueError: the other thread has closed the socket
            what()
        self.end()

    def end(self, reset=False):
        self.ended.set()
        if reset:
            for s in (self.near, self.far):
                with contextlib.suppress(OSError):
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        for s in (self.near, self.far):
            s.close()

    def read(self, source, count):
        data = bytearray()
        while len(data) < count:
            if self.ended.is_set():
                raise EOFError
            if not select.select([source], [], [], LOOK)[0]:   # a thread in recv() would keep a closed socket alive
                self.look_at_time()
                continue
            piece = source.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
            self.moved = time.monotonic()
        return bytes(data)

    def look_at_time(self):
        idle = self.proxy.idle
        if idle and time.monotonic() - self.moved > idle:
            self.proxy.happened["idle"] += 1
            raise EOFError

    def message(self, source):
        """A whole one, its length before it."""
        head = self.read(source, 4)
        return head + self.read(source, struct.unpack(">i", head)[0])

    def requests(self):
        while True:
            data = self.message(self.near)
            kind, _, number = struct.unpack(">hhi", data[4:12])
            self.proxy.came(kind, len(data) - 4)
            if self.proxy.largest and len(data) - 4 > self.proxy.largest:
                self.proxy.happened["too large"] += 1
                return
            self.kinds[number] = kind
            self.far.sendall(data)

    def answers(self):
        while True:
            data = self.message(self.far)
            kind = self.kinds.pop(struct.unpack(">i", data[4:8])[0], None)
            if self.proxy.loses(kind):
                self.end(reset=True)
                return
            if self.proxy.delay and self.ended.wait(self.proxy.delay):
                return
            self.near.sendall(data)


class KafkaProxy(Listening):
    def __init__(self, kafka, largest=None, idle=None, delay=None):
        self.target, self.bootstrap = kafka.proxied_port, kafka.proxied_bootstrap
        self.largest, self.idle, self.delay = largest, idle, delay
        self.to_lose = collections.Counter()
        self.lost = collections.Counter()       # answers, by the kind of request
        self.happened = collections.Counter()
        self.requests = collections.Counter()   # by kind
        self.largest_seen = 0
        self.connections = []
        self.lock = threading.Lock()
        host, port = self.bootstrap.split(":")
        self.start_listening((host, int(port)))

    def lose(self, kind, times):
        with self.lock:
            self.to_lose[kind] += times

    def loses(self, kind):
        with self.lock:
            if self.to_lose[kind] <= 0:
                return False
            self.to_lose[kind] -= 1
            self.lost[kind] += 1
            return True

    def came(self, kind, size):
        with self.lock:
            self.requests[kind] += 1
            self.largest_seen = max(self.largest_seen, size)

    def cut(self):
        for connection in self.connections:
            connection.end()

    def take(self, near):
        try:
            self.connections.append(Connection(self, near))
        except OSError:
            near.close()   # the broker is away
