"""Certificates for loopback, made by openssl: an authority, a right certificate, and some that must be refused."""
import pathlib
import subprocess


class Certificates:
    """Files below one folder. Each certificate `name` is the pair (name.pem, name.key); `ca` is the authority's file.

    localhost   good: localhost, 127.0.0.1, ::1
    wrong_host  for another host
    expired     for localhost, over since long
    self_signed for localhost, by nobody
    client      for client authentication, subject CN=lethe

    issue() makes others that a test has a use for.
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca = self._path("ca.pem")
        loopback = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"
        self._openssl("req", "-x509", *_new_key(self._path("ca.key")), "-out", self.ca, "-days", "30", "-subj", "/CN=Test CA",
                      "-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self.localhost = self.issue("localhost", loopback)
        self.wrong_host = self.issue("wrong_host", "subjectAltName=DNS:elsewhere.example")
        self.expired = self.issue("expired", loopback, ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"])
        self.client = self.issue("client", "extendedKeyUsage=clientAuth", subject="/CN=lethe")
        self.self_signed = self._pair("self_signed")
        self._openssl("req", "-x509", *_new_key(self.self_signed[1]), "-out", self.self_signed[0], "-days", "30",
                      "-subj", "/CN=localhost", "-addext", loopback)

    def bundle(self, name):
        """Certificate, authority and key of `name` in one file, as some servers want them."""
        certificate, key = self._pair(name)
        target = self._path(f"{name}-bundle.pem")
        target.write_text(certificate.read_text() + self.ca.read_text() + key.read_text())
        return target

    def _path(self, name):
        return self.folder / name

    def _pair(self, name):
        return self._path(f"{name}.pem"), self._path(f"{name}.key")

    def issue(self, name, extension, validity=("-days", "30"), subject="/CN=localhost", issuer="ca", digest="sha256", authority=False):
        """Signed by the certificate `issuer`. `openssl ca` alone can date a certificate back."""
        certificate, key = self._pair(name)
        request, settings = self._path(f"{name}.csr"), self._path(f"{name}.cnf")
        self._path(f"{name}.index").write_text("")
        settings.write_text(f"""[ca]
default_ca=own
[own]
database={self._path(name)}.index
new_certs_dir={self.folder}
default_md={digest}
policy=any
rand_serial=yes
x509_extensions=extensions
[any]
commonName=supplied
[extensions]
{extension}
basicConstraints=CA:{str(authority).lower()}
""")
        self._openssl("req", "-new", *_new_key(key), "-out", request, "-subj", subject)
        self._openssl("ca", "-batch", "-notext", "-config", settings, "-cert", self._path(f"{issuer}.pem"),
                      "-keyfile", self._path(f"{issuer}.key"), "-in", request, "-out", certificate, *validity)
        return certificate, key

    def _openssl(self, *arguments):
        run = subprocess.run(["openssl", *map(str, arguments)], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             check=False)
        if run.returncode != 0:
            raise RuntimeError(f"openssl {arguments[0]}: {run.stdout.decode(errors='replace')}")


def _new_key(path):
    """A P-256 key in PKCS #8 without a pass phrase: the form that Java, Node, OpenSSL and Python all read."""
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path]
