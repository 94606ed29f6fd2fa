#!/usr/bin/python3
"""Checks delegations (docs/protocol.md, section 4), written from that document alone.

Standard input: one line of JSON each, {"delegation", "authorization", "publicKey" of the trusted device, "now", "audience"}.
Standard output: {"ok"}, one line each.
"""
import base64, hashlib, json, re, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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

def check(request):
    text, now = request["delegation"], request["now"]
    want(len(text) <= 2048)
    header64, payload64, signature64 = text.split(".")
    header, payload, signature = read_json(unb64u(header64)), read_json(unb64u(payload64)), unb64u(signature64)
    device = base64.b64decode(request["publicKey"])
    device_id = "am_" + base64.urlsafe_b64encode(hashlib.sha256(device).digest()).decode()[:16]
    want(header == {"typ": "amesh-delegation+jwt", "alg": "ES256", "kid": device_id})
    want(set(payload) - {"aud"} == {"iss", "sub", "iat", "exp", "jti", "cnf", "pop"})
    want(payload["iss"] == payload["sub"] == device_id)
    want(re.fullmatch(r"[\w-]{16,64}", payload["jti"], re.A))
    iat, exp = seconds(payload["iat"]), seconds(payload["exp"])
    want(0 < exp - iat <= 300 and iat <= now + 30 and now < exp)
    if "aud" in payload:
        want(type(payload["aud"]) is list and 1 <= len(payload["aud"]) <= 16 and request["audience"] in payload["aud"])
    jwk = payload["cnf"]["jwk"]
    want(set(payload["cnf"]) == {"jwk"} and set(jwk) == {"kty", "crv", "x", "y"} and (jwk["kty"], jwk["crv"]) == ("EC", "P-256"))
    x, y = unb64u(jwk["x"]), unb64u(jwk["y"])
    want(len(x) == len(y) == 32)
    session = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + x + y)
    caller = base64.b64decode(re.search(r'id="([^"]+)"', request["authorization"])[1])
    want(session.public_bytes(Encoding.X962, PublicFormat.CompressedPoint) == caller)
    verify(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), device), signature, f"{header64}.{payload64}".encode())
    verify(session, unb64u(payload["pop"]), f"amesh/delegation/1\n{device_id}\n{payload['jti']}\n{exp}".encode())

for line in sys.stdin:
    try:
        check(json.loads(line))
        print(json.dumps({"ok": True}), flush=True)
    except (Refused, InvalidSignature, ValueError, KeyError, TypeError):
        print(json.dumps({"ok": False}), flush=True)
