"""An OpenSearch server, one node on loopback over plain HTTP: what takes _bulk as Elasticsearch does. It has no plugin for
TLS and users; a `tls_recorder` stands in where those matter."""
import json
import pathlib
import shutil
import urllib.error
import urllib.request
import uuid

from running import INSTALLED, PATIENCE, Missing, Server, free_port, needed

SETTINGS = """
cluster.name: scenarios
node.name: one
discovery.type: single-node
network.host: 127.0.0.1
http.port: {http}
transport.port: {transport}
bootstrap.system_call_filter: false
cluster.routing.allocation.disk.threshold_enabled: false
action.destructive_requires_name: true
"""

LOGGING = """
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""

# The native library is kept from loading: with it the server asks who runs it and refuses root.
JAVA = ["-Xms384m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.security.manager=allow",
        "-Djna.noclasspath=true", "-Djna.nosys=true", "-Dio.netty.noUnsafe=true", "-Dio.netty.noKeySetOptimization=true",
        "-Dlog4j2.disable.jmx=true", "-Dopensearch.distribution.type=tar"]


class OpenSearch:
    """stopped(), stopped(kill=True) and paused() are blocks in which it is away, with data and port kept."""

    def __init__(self, folder):
        installed = needed(INSTALLED / "opensearch", "OpenSearch")
        if not shutil.which("java"):
            raise Missing("no java: run tests/parts/install")
        home = pathlib.Path(folder)
        for name in ("config", "data", "logs", "plugins", "tmp"):
            (home / name).mkdir(parents=True, exist_ok=True)
        shutil.copytree(installed / "modules", home / "modules")   # links would lead out of what its policy lets it read
        http, transport = free_port(), free_port()
        self.url = f"http://127.0.0.1:{http}"
        (home / "config/opensearch.yml").write_text(SETTINGS.format(http=http, transport=transport))
        (home / "config/log4j2.properties").write_text(LOGGING)
        paths = [f"-Djava.io.tmpdir={home}/tmp", f"-Dopensearch.path.home={home}", f"-Dopensearch.path.conf={home}/config"]
        self.server = Server(["java", *JAVA, *paths, "-cp", f"{installed}/lib/*", "org.opensearch.bootstrap.OpenSearch"],
                             home / "server.log", self._answers)

    def start(self):
        self.server.start()

    def stop(self):
        self.server.kill()

    def stopped(self, kill=False):
        return self.server.stopped(kill)

    def paused(self):
        return self.server.paused()

    def call(self, method, path, body=None):
        """(status, answer) of one request, both ways JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/{path}", data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def index(self, name=None, **properties):
        """A new index; properties are its mapping: index(score={"type": "float"}) refuses records with other scores."""
        name = name or f"index-{uuid.uuid4().hex[:12]}"
        status, answer = self.call("PUT", name, {"settings": {"number_of_replicas": 0}, "mappings": {"properties": properties}})
        if status != 200:
            raise RuntimeError(f"{name}: {answer}")
        return name

    def documents(self, index):
        """id -> document of all there is, up to 10,000."""
        self.call("POST", f"{index}/_refresh")
        _, answer = self.call("POST", f"{index}/_search", {"size": 10_000, "query": {"match_all": {}}})
        return {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]}

    def _answers(self):
        try:
            return self.call("GET", "_cluster/health?wait_for_status=yellow&timeout=1s")[0] == 200
        except OSError:
            return False
