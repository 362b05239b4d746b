"""What listens on a port and looks after whoever comes, for as long as it is open: proxies and peers of the tests."""
import contextlib
import socket
import threading


class Listening:
    """A subclass has take(connection), which does not wait, and cut(), which ends all connections. It calls start_listening() when
    it has all that these need."""

    def start_listening(self, address=("127.0.0.1", 0)):
        self.listener = socket.create_server(address, backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                self.take(self.listener.accept()[0])

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)   # ends accept()
        self.listener.close()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
