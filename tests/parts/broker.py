"""An Apache Kafka broker: one process in KRaft mode on loopback.

It stands for any Kafka cluster at `bootstrap`, and for Event Hubs' Kafka endpoint at `sasl_bootstrap`: TLS only, SASL PLAIN
with the user "$ConnectionString" and a connection string as the password, no larger message than 1,000,000 bytes. The same
listener takes OAUTHBEARER with unsigned tokens (`token()`), and cuts connections when their token is over. Who comes in at `proxied_port` is sent on to `proxied_bootstrap`,
where nobody listens but the proxy of a test (`kafka_proxy.py`)."""
import base64
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import time
import uuid

from running import INSTALLED, PATIENCE, Missing, Server, free_port, is_listening, needed, wait_until

try:
    import confluent_kafka
    from confluent_kafka import admin
except ImportError:
    confluent_kafka = None

USERNAME = "$ConnectionString"
PASSWORD = ("Endpoint=sb://localhost/;SharedAccessKeyName=reader;"
            "SharedAccessKey=bm90IGEga2V5LCBidXQgaW52ZW50ZWQgZm9yIHRlc3Q=")   # invented
CLUSTER = "bGV0aGUtdGVzdC1jbHVzdA"
MAX_MESSAGE = 1_000_000

SETTINGS = """
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listeners=PLAIN://127.0.0.1:{plain},EVENTHUBS://127.0.0.1:{sasl},PROXIED://127.0.0.1:{proxied},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAIN://127.0.0.1:{plain},EVENTHUBS://localhost:{sasl},PROXIED://127.0.0.1:{proxy}
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listener.security.protocol.map=PLAIN:PLAINTEXT,EVENTHUBS:SASL_SSL,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAIN
log.dirs={data}

listener.name.eventhubs.sasl.enabled.mechanisms=PLAIN,OAUTHBEARER
listener.name.eventhubs.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
    user_{username}="{password}";
listener.name.eventhubs.oauthbearer.sasl.jaas.config=\\
    org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
listener.name.eventhubs.oauthbearer.sasl.server.callback.handler.class=\\
    org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler
listener.name.eventhubs.connections.max.reauth.ms=3600000
listener.name.eventhubs.ssl.keystore.type=PEM
listener.name.eventhubs.ssl.keystore.location={keystore}
ssl.client.auth=none

message.max.bytes={max_message}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
controlled.shutdown.enable=false
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=400
log.cleaner.enable=false
num.network.threads=2
num.io.threads=4
"""


class Kafka:
    """The broker. Clients from other tests reach it at `bootstrap` or, with `ca_file`, at `sasl_bootstrap`.

    stopped(), stopped(kill=True) and paused() are blocks in which it is away, with data and ports kept."""

    username = USERNAME
    password = PASSWORD

    def __init__(self, folder, certificates):
        if not confluent_kafka:
            raise Missing("no Kafka client: run tests/parts/install, then build/parts/venv/bin/python -m pytest")
        jars = needed(INSTALLED / "kafka", "Kafka broker")
        if not shutil.which("java"):
            raise Missing("no java: run tests/parts/install")
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca_file = certificates.ca
        plain, sasl, controller, proxy, self.proxied_port = (free_port() for _ in range(5))
        self.bootstrap = f"127.0.0.1:{plain}"
        self.proxied_bootstrap = f"127.0.0.1:{proxy}"
        self.sasl_bootstrap = f"localhost:{sasl}"
        settings = self.folder / "server.properties"
        settings.write_text(SETTINGS.format(plain=plain, sasl=sasl, controller=controller, proxy=proxy, proxied=self.proxied_port, data=self.folder / "data",
                                            username=USERNAME, password=PASSWORD, max_message=MAX_MESSAGE,
                                            keystore=certificates.bundle("localhost")))
        java = ["java", "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
                "-Djava.net.preferIPv4Stack=true", "-cp", f"{jars}/*"]
        self._format(java, settings)
        self.admin = admin.AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 100})
        self.server = Server([*java, "kafka.Kafka", settings], self.folder / "broker.log",
                             lambda: is_listening(plain) and is_listening(sasl) and self._answers())

    def _format(self, java, settings):
        """Once: a data folder belongs to one cluster."""
        with open(self.folder / "format.log", "wb") as log:
            subprocess.run([*java, "kafka.tools.StorageTool", "format", "--standalone", "-t", CLUSTER, "-c", settings], check=True,
                           stdout=log, stderr=log, timeout=PATIENCE)

    def _answers(self):
        try:
            return self.admin.list_topics(timeout=1).brokers
        except confluent_kafka.KafkaException:
            return False

    def start(self):
        self.server.start()

    def stop(self):
        self.server.kill()   # the data is thrown away, so an orderly end would be a wait for nothing

    def stopped(self, kill=False):
        return self.server.stopped(kill)

    def paused(self):
        return self.server.paused()

    def kill(self):
        """Dead until start()."""
        self.server.kill()


    def topic(self, name=None, partitions=1, **settings):
        """A new topic; without a name, one that nobody has."""
        name = name or f"topic-{uuid.uuid4().hex[:12]}"
        new = admin.NewTopic(name, num_partitions=partitions, replication_factor=1,
                             config={key.replace("_", "."): str(value) for key, value in settings.items()})
        self.admin.create_topics([new])[name].result(PATIENCE)
        wait_until(lambda: len(self.admin.list_topics(name, timeout=PATIENCE).topics[name].partitions) == partitions, name)
        return Topic(self, name, partitions)

    def delete(self, topic):
        """Returns when the name is free."""
        self.admin.delete_topics([topic.name])[topic.name].result(PATIENCE)
        wait_until(lambda: topic.name not in self.admin.list_topics(timeout=PATIENCE).topics, f"the end of {topic.name}")

    def committed(self, group, topic):
        """Where the group would go on: partition -> offset, without partitions never committed."""
        wanted = [confluent_kafka.TopicPartition(topic.name, n) for n in range(topic.partitions)]
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "log_level": 0,
                                             "isolation.level": "read_uncommitted"})   # a member of nothing: it never subscribes

        def ask():
            try:
                return consumer.committed(wanted, PATIENCE)
            except confluent_kafka.KafkaException:   # the group's coordinator is being found, or comes back
                return None
        try:
            places = wait_until(ask, f"the offsets of {group}")
        finally:
            consumer.close()
        return {place.partition: place.offset for place in places if place.offset >= 0}

    def token(self, lifetime=3600, subject="lethe"):
        """An unsigned OAuth token that the listener takes."""
        now = time.time()
        parts = [{"alg": "none"}, {"sub": subject, "scope": "", "iat": now, "exp": now + lifetime}]
        return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


class Message:
    """One message as a consumer gets it. `headers` is a dict of bytes; the last one of a name counts."""

    def __init__(self, raw):
        self.value, self.key = raw.value(), raw.key()
        self.partition, self.offset = raw.partition(), raw.offset()
        self.timestamp = raw.timestamp()[1]
        self.headers = dict(raw.headers() or [])

    def __repr__(self):
        return f"<{self.partition}:{self.offset} key={self.key} {self.value[:60] if self.value else self.value}>"


class Topic:
    def __init__(self, kafka, name, partitions):
        self.kafka = kafka
        self.name = name
        self.partitions = partitions

    def write(self, messages, partition=None, headers=None):
        """Each message is bytes or (key, value); returns when the broker has them all."""
        producer = confluent_kafka.Producer({"bootstrap.servers": self.kafka.bootstrap, "linger.ms": 5, "acks": "all",
                                             "message.max.bytes": 10 * MAX_MESSAGE,
                                             "queue.buffering.max.messages": 1_000_000, "log_level": 0})
        failures = []
        place = {} if partition is None else {"partition": partition}
        for message in messages:
            key, value = message if isinstance(message, tuple) else (None, message)
            self._produce(producer, value=value, key=key, headers=headers, **place,
                          on_delivery=lambda error, _: failures.append(error) if error else None)
        left = producer.flush(PATIENCE)
        if left or failures:
            raise RuntimeError(f"{left} messages not delivered in time, {len(failures)} refused: {failures[:1]}")

    def _produce(self, producer, **message):
        while True:
            try:
                producer.produce(self.name, **message)
                return
            except BufferError:
                producer.poll(0.1)

    def end_offsets(self, isolation="read_committed"):
        """Partition -> the offset that the next message gets. Markers of transactions take an offset each."""
        with self._consumer(isolation) as consumer:
            return {place.partition: wait_until(lambda place=place: self._marks(consumer, place), self.name)[1] for place in self._places()}

    def _marks(self, consumer, place):
        """(first, next) offset; None: the partition's leader is being found."""
        try:
            return consumer.get_watermark_offsets(place, timeout=PATIENCE)
        except confluent_kafka.KafkaException:
            return None

    def read(self, count, timeout=PATIENCE, isolation="read_committed"):
        """The first `count` messages, or as many as come in time, each partition's in its order."""
        messages, deadline = [], time.monotonic() + timeout
        with self._consumer(isolation) as consumer:
            while len(messages) < count and time.monotonic() < deadline:
                messages += [Message(raw) for raw in consumer.consume(count - len(messages), 0.2) if not raw.error()]
        return messages

    def read_all(self, isolation="read_committed"):
        """Everything up to the present end, aborted transactions left out."""
        ends = {}
        with self._consumer(isolation, eof=True) as consumer:
            messages, deadline = [], time.monotonic() + PATIENCE
            while len(ends) < self.partitions:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{self.name}: only {len(messages)} messages in {PATIENCE} s")
                for raw in consumer.consume(1000, 0.2):
                    if not raw.error():
                        messages.append(Message(raw))
                    elif raw.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                        ends[raw.partition()] = raw.offset()
        return messages

    @contextlib.contextmanager
    def _consumer(self, isolation, eof=False):
        """At the start of every partition, without group rebalances."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.kafka.bootstrap, "group.id": "nobody",
                                             "enable.auto.commit": False, "auto.offset.reset": "earliest",
                                             "isolation.level": isolation, "enable.partition.eof": eof,
                                             "fetch.wait.max.ms": 50, "log_level": 0})
        consumer.assign(self._places())
        try:
            yield consumer
        finally:
            consumer.close()

    def _places(self):
        return [confluent_kafka.TopicPartition(self.name, n, confluent_kafka.OFFSET_BEGINNING) for n in range(self.partitions)]
