"""What every reader of a JWS of amesh needs (docs/protocol.md, sections 1 and 4.2), written from that document alone."""
import base64, hashlib, json, re, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

class Refused(Exception): pass

def want(condition):
    if not condition: raise Refused()

def unb64u(text):
    want(isinstance(text, str) and re.fullmatch(r"[\w-]*", text, re.A) and len(text) % 4 != 1)
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    want(base64.urlsafe_b64encode(data).decode().rstrip("=") == text)
    return data

def strict_object(pairs):
    want(len({name for name, _ in pairs}) == len(pairs))
    return dict(pairs)

def read_json(data):
    value = json.loads(data.decode(), object_pairs_hook=strict_object)
    want(isinstance(value, dict))
    return value

def seconds(value):
    want(type(value) is int and value > 0)
    return value

def verify(key, signature, message):
    want(len(signature) == 64)
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    key.verify(der, message, ec.ECDSA(hashes.SHA256()))

def device_id(key):
    return "am_" + base64.urlsafe_b64encode(hashlib.sha256(key).digest()).decode()[:16]

def public_key(point):
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)

def parts(text):
    """The header, the payload, the signature, and what it is over."""
    want(len(text) <= 2048)
    header64, payload64, signature64 = text.split(".")
    return read_json(unb64u(header64)), read_json(unb64u(payload64)), unb64u(signature64), f"{header64}.{payload64}".encode()

def answer(check):
    """Standard input: one line of JSON each. Standard output: {"ok"} and what `check` returns, one line each."""
    for line in sys.stdin:
        try:
            print(json.dumps({"ok": True, **(check(json.loads(line)) or {})}), flush=True)
        except (Refused, InvalidSignature, ValueError, KeyError, TypeError):
            print(json.dumps({"ok": False}), flush=True)
