#!/usr/bin/python3
"""Checks delegations (docs/protocol.md, section 4), written from that document alone.

Standard input: one line of JSON each, {"delegation", "authorization", "publicKey" of the trusted device, "now", "audience"}.
Standard output: {"ok"}, one line each.
"""
import base64, re
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from strict_jws import answer, device_id, parts, public_key, seconds, unb64u, verify, want

def check(request):
    text, now = request["delegation"], request["now"]
    header, payload, signature, signed = parts(text)
    device = base64.b64decode(request["publicKey"])
    device_name = device_id(device)
    want(header == {"typ": "amesh-delegation+jwt", "alg": "ES256", "kid": device_name})
    want(set(payload) - {"aud"} == {"iss", "sub", "iat", "exp", "jti", "cnf", "pop"})
    want(payload["iss"] == payload["sub"] == device_name)
    want(re.fullmatch(r"[\w-]{16,64}", payload["jti"], re.A))
    iat, exp = seconds(payload["iat"]), seconds(payload["exp"])
    want(0 < exp - iat <= 300 and iat <= now + 30 and now < exp)
    if "aud" in payload:
        want(type(payload["aud"]) is list and 1 <= len(payload["aud"]) <= 16 and request["audience"] in payload["aud"])
    jwk = payload["cnf"]["jwk"]
    want(set(payload["cnf"]) == {"jwk"} and set(jwk) == {"kty", "crv", "x", "y"} and (jwk["kty"], jwk["crv"]) == ("EC", "P-256"))
    x, y = unb64u(jwk["x"]), unb64u(jwk["y"])
    want(len(x) == len(y) == 32)
    session = public_key(b"\x04" + x + y)
    caller = base64.b64decode(re.search(r'id="([^"]+)"', request["authorization"])[1])
    want(session.public_bytes(Encoding.X962, PublicFormat.CompressedPoint) == caller)
    verify(public_key(device), signature, signed)
    verify(session, unb64u(payload["pop"]), f"amesh/delegation/1\n{device_name}\n{payload['jti']}\n{exp}".encode())

answer(check)
