"""Verifies HTTP signatures. Written from docs/protocol.md, section 3, and RFC 9421; knows nothing of our code.

Reads one JSON request a line, as in vectors/http-signature-1.json with the device's publicKey, and answers {"ok": …}.
"""
import base64, hashlib, json, re, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

class Refused(Exception):
    pass

def want(condition):
    if not condition:
        raise Refused

def check(request):
    headers, target, now = request["headers"], request["target"], request["now"]
    label, said = re.fullmatch(r'([a-z][a-z0-9]*)=(.*)', headers["signature-input"]).groups()
    names, parameters = re.fullmatch(r'\(((?:"[^"]+" ?)*)\)(.*)', said).groups()
    names = re.findall(r'"([^"]+)"', names)
    given = {name: value for name, value in re.findall(r';([a-z]+)=("[^"]*"|\d+)', parameters)}
    want(set(given) == {"created", "expires", "nonce", "keyid", "alg", "tag"})
    device = base64.b64decode(request["publicKey"])
    device_id = "am_" + base64.urlsafe_b64encode(hashlib.sha256(device).digest()).decode()[:16]
    want(given["tag"] == '"amesh"' and given["alg"] == '"ecdsa-p256-sha256"' and given["keyid"] == f'"{device_id}"')
    want(re.fullmatch(r'"[A-Za-z0-9+/=_.~-]{16,64}"', given["nonce"]))
    created, expires = int(given["created"]), int(given["expires"])
    want(created <= now + 30 and now <= expires + 30 and 0 < expires - created <= 300)

    path, mark, query = target.partition("?")
    must = {"@method", "@authority", "@path"} | ({"@query"} if mark else set())
    must |= {"content-digest"} if "body" in request else set()
    must |= {"content-type", "content-encoding", "authmesh-delegation"} & set(headers)
    want(must <= set(names) and len(names) == len(set(names)))
    derived = {"@method": request["method"], "@authority": request["audience"], "@path": path, "@query": "?" + query}
    lines = [f'"{name}": {derived[name] if name[0] == "@" else headers[name].strip()}' for name in names]
    base = "\n".join(lines + [f'"@signature-params": {said}'])

    if "body" in request:
        digests = re.findall(r'sha-(256|512)=:([^:]+):', headers["content-digest"])
        want(digests)
        for size, digest in digests:
            want(hashlib.new("sha" + size, base64.b64decode(request["body"])).digest() == base64.b64decode(digest))
    signature = base64.b64decode(re.fullmatch(label + r'=:([^:]+):', headers["signature"])[1])
    want(len(signature) == 64)
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), device)
    key.verify(der, base.encode(), ec.ECDSA(hashes.SHA256()))

for line in sys.stdin:
    try:
        check(json.loads(line))
        print(json.dumps({"ok": True}), flush=True)
    except (Refused, InvalidSignature, ValueError, KeyError, TypeError, AttributeError):
        print(json.dumps({"ok": False}), flush=True)
