"""Azurite, the emulator of Azure blob storage, on loopback: append and block blobs, listing, shared keys, SAS.

With a certificate it speaks HTTPS only and takes bearer tokens, too (`token()`: well formed and not yet over is enough).
Containers that Azure Monitor writes are named insights-logs-..., their blobs .../y=2026/m=11/d=26/h=04/m=00/PT1H.json."""
import base64
import datetime
import json
import os
import pathlib
import shutil
import time
import uuid

from running import INSTALLED, Missing, Server, free_port, is_listening, needed

try:
    from azure.storage import blob as storage
except ImportError:
    storage = None

ACCOUNT = "lethetest"
KEY = base64.b64encode(b"not a key, but invented for tests; as long as true ones: 64 byte").decode()
TOKEN_ISSUER = "https://sts.windows.net/11111111-2222-3333-4444-555555555555/"


class Azurite:
    """stopped() and paused() are blocks in which it is away, with data and port kept."""

    account = ACCOUNT
    key = KEY

    def __init__(self, folder, certificates=None):
        if not storage:
            raise Missing("no blob storage client: run tests/parts/install, then build/parts/venv/bin/python -m pytest")
        program = needed(INSTALLED / "node/node_modules/azurite/dist/src/blob/main.js", "Azurite")
        if not shutil.which("node"):
            raise Missing("no node: run tests/parts/install")
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        command = ["node", program, "--location", self.folder, "--blobPort", port, "--disableTelemetry", "--silent"]
        self.ca_file = None
        if certificates:
            certificate, key = certificates.localhost
            command += ["--cert", certificate, "--key", key, "--oauth", "basic"]
            self.ca_file = certificates.ca
        self.url = f"https://localhost:{port}/{ACCOUNT}" if certificates else f"http://127.0.0.1:{port}/{ACCOUNT}"
        self.server = Server(command, self.folder / "azurite.log", lambda: is_listening(port),
                             environment={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"})
        trust = {"connection_verify": str(self.ca_file)} if self.ca_file else {}
        self.service = storage.BlobServiceClient(self.url, credential={"account_name": ACCOUNT, "account_key": KEY},
                                                 retry_total=0, **trust)

    def start(self):
        self.server.start()

    def stop(self):
        self.server.kill()

    def stopped(self):
        return self.server.stopped()   # not killed: Azurite writes its index only now and then, and at its end

    def paused(self):
        return self.server.paused()

    @property
    def connection_string(self):
        protocol = self.url.split(":")[0]
        return f"DefaultEndpointsProtocol={protocol};AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.url}"

    def container(self, name=None):
        """A new one; without a name, one that nobody has."""
        return Container(self, self.service.create_container(name or f"container-{uuid.uuid4().hex[:12]}"))

    def token(self, lifetime=3600):
        """A bearer token that the HTTPS endpoint takes."""
        now = int(time.time())
        claims = {"aud": "https://storage.azure.com", "iss": TOKEN_ISSUER, "iat": now - 5, "nbf": now - 5, "exp": now + lifetime}
        parts = [{"alg": "none", "typ": "JWT"}, claims]
        return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".c2ln"


class Container:
    """Its blobs by name; contents are bytes."""

    def __init__(self, azurite, client):
        self.azurite = azurite
        self.client = client
        self.name = client.container_name
        self.url = f"{azurite.url}/{self.name}"

    def sas(self, permission="rl", lifetime=3600):
        """The query of a service SAS for this container, without the question mark."""
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=lifetime)
        return storage.generate_container_sas(ACCOUNT, self.name, KEY, permission=permission, expiry=until)

    def upload(self, name, content):
        """A block blob in one go; replaces what has that name."""
        self.client.upload_blob(name, content, overwrite=True)

    def upload_blocks(self, name, blocks):
        """A block blob of several blocks, committed together."""
        blob, ids = self.client.get_blob_client(name), []
        for number, block in enumerate(blocks):
            ids.append(storage.BlobBlock(f"{number:08d}"))
            blob.stage_block(ids[-1].id, block)
        blob.commit_block_list(ids)

    def append(self, name, *blocks):
        """Appends each block; makes the append blob if there is none."""
        blob = self.client.get_blob_client(name)
        if not blob.exists():
            blob.create_append_blob()
        for block in blocks:
            blob.append_block(block)

    def read(self, name):
        return self.client.download_blob(name).readall()

    def delete(self, name):
        self.client.delete_blob(name)

    def names(self, prefix=""):
        return [blob.name for blob in self.client.list_blobs(name_starts_with=prefix)]
