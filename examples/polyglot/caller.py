#!/usr/bin/python3
"""Calls a service that is protected by amesh, with HTTP message signatures (RFC 9421) and no amesh at all.

    caller.py KEYFILE                      prints the public key, for `amesh add`; makes the key if there is none
    caller.py KEYFILE METHOD URL [BODY]    calls

Needs the package cryptography. The rules are in docs/protocol.md, section 3.
"""
import base64, hashlib, http.client, os, secrets, sys, time, urllib.error, urllib.request
from urllib.parse import quote, urlsplit, urlunsplit
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key)

def open_key(path):
    if not os.path.exists(path):
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    with open(path, "rb") as file:
        return load_pem_private_key(file.read(), password=None)

def device_id(key):
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return "am_" + base64.urlsafe_b64encode(hashlib.sha256(point).digest()).decode()[:16]

def byte_sequence(data):
    return ":" + base64.b64encode(data).decode() + ":"

def ascii_url(url):
    """The URL as it is sent: no fragment, the host in punycode, what is not ASCII in path and query percent-encoded."""
    scheme, host, path, query, _ = urlsplit(url)
    if scheme not in ("http", "https") or not host:
        raise ValueError("not a URL of http or https")
    # quote() leaves alone what is encoded already.
    host = host if host.isascii() else host.encode("idna").decode()
    sent = urlunsplit((scheme, host, *(quote(part, safe="!$%&'()*+,/:;=?@[]~") for part in (path, query)), ""))
    # urlunsplit drops the mark of an empty query, which is part of what is signed.
    return sent + "?" if "?" in url.partition("#")[0] and "?" not in sent else sent

def proof(key, method, url, headers, body):
    """The headers to send beside `headers`, whose names are in lower case."""
    parts = urlsplit(url)
    default_port = {"http": ":80", "https": ":443"}[parts.scheme]
    digest = {"content-digest": "sha-256=" + byte_sequence(hashlib.sha256(body).digest())} if body else {}
    covered = {"@method": method, "@authority": parts.netloc.lower().removesuffix(default_port), "@path": parts.path or "/"}
    if "?" in url:
        covered["@query"] = "?" + parts.query
    covered |= headers | digest

    now = int(time.time())
    parameters = "(" + " ".join(f'"{name}"' for name in covered) + ")"
    parameters += f';created={now};expires={now + 60};nonce="{secrets.token_urlsafe(16)}";keyid="{device_id(key)}"'
    parameters += ';alg="ecdsa-p256-sha256";tag="amesh"'
    lines = [f'"{name}": {value}' for name, value in covered.items()] + [f'"@signature-params": {parameters}']

    r, s = decode_dss_signature(key.sign("\n".join(lines).encode(), ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return digest | {"signature-input": "sig=" + parameters, "signature": "sig=" + byte_sequence(signature)}

def call(key, method, url, body):
    url = ascii_url(url)
    headers = {"content-type": "application/json"} if body else {}
    headers |= proof(key, method, url, headers, body)
    request = urllib.request.Request(url, data=body or None, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()

if __name__ == "__main__":
    key = open_key(sys.argv[1])
    if len(sys.argv) == 2:
        sys.exit(print(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(), end=""))
    method, url, *body = sys.argv[2:]
    try:
        status, answer = call(key, method, url, "".join(body).encode())
    except (OSError, ValueError, http.client.HTTPException) as error:
        sys.exit(f"caller.py: {url}: {getattr(error, 'reason', error)}")
    print(status, answer)
    sys.exit(0 if status < 400 else 1)
