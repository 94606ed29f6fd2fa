#!/usr/bin/python3
"""Verifies tokens (docs/protocol.md, section 8), written from that document alone; rqh and cnf are refused, for there is no request.

Standard input: one line of JSON each, {"token", "now", "issuer", "audience", "jwks"}. Standard output: {"ok"}, one line each.
"""
import base64, hashlib, json, re
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from strict_jws import answer, strict_object, unb64u, verify, want

def integer(text):
    value = int(text)
    want(text != "-0" and abs(value) < 2**53)
    return value

def refuse(_): want(False)

def read_json(data):
    value = json.loads(data.decode(), object_pairs_hook=strict_object, parse_int=integer, parse_float=refuse, parse_constant=refuse)
    want(isinstance(value, dict))
    return value

def text(pattern): return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None
def word(most): return text(r"[\x21-\x7e]{1,%d}" % most)
def seconds(value): return type(value) is int and value > 0

REQUIRED = {
    "iss": word(512), "sub": text(r"(agent|svc|job|tool|user)://[A-Za-z0-9/_.-]{1,256}"), "aud": word(512), "act": word(256),
    "iat": seconds, "exp": seconds, "jti": text(r"[A-Za-z0-9+/=_.~-]{1,128}"),
}
OPTIONAL = {
    "nbf": seconds, "env": word(128), "tenant": word(128), "reason": text(r"[^\x00-\x1f\x7f-\x9f]{1,512}"),
    "scope": lambda value: isinstance(value, list) and len(value) <= 64 and all(map(word(128), value)),
    "src": lambda value: isinstance(value, dict) and isinstance(value.get("type"), str) and all(isinstance(each, str) for each in value.values()),
}

def public_key(jwk):
    members = {"crv", "kty", "x"} | ({"y"} if jwk["kty"] == "EC" else set())
    canonical = json.dumps({name: jwk[name] for name in sorted(members)}, separators=(",", ":"))
    want(jwk["use"] == "sig" and jwk["kid"] == base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).decode().rstrip("="))
    if (jwk["kty"], jwk["crv"], jwk["alg"]) == ("OKP", "Ed25519", "EdDSA"):
        return ed25519.Ed25519PublicKey.from_public_bytes(unb64u(jwk["x"]))
    want((jwk["kty"], jwk["crv"], jwk["alg"]) == ("EC", "P-256", "ES256"))
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + unb64u(jwk["x"]) + unb64u(jwk["y"]))

def check(request):
    want(len(request["token"]) <= 8192)
    header64, payload64, signature64 = request["token"].split(".")
    header, payload, signature = read_json(unb64u(header64)), read_json(unb64u(payload64)), unb64u(signature64)
    want(set(header) == {"alg", "kid", "typ"} and header["typ"] == "om+jwt")
    for name, fits in REQUIRED.items(): want(name in payload and fits(payload[name]))
    for name, fits in OPTIONAL.items(): want(name not in payload or fits(payload[name]))
    want("rqh" not in payload and "cnf" not in payload)
    want(payload["iss"] == request["issuer"] and payload["aud"] == request["audience"])
    [jwk] = [each for each in request["jwks"]["keys"] if each["kid"] == header["kid"]]
    want(jwk["alg"] == header["alg"])
    signed = f"{header64}.{payload64}".encode()
    key = public_key(jwk)
    if header["alg"] == "EdDSA": key.verify(signature, signed)
    else: verify(key, signature, signed)
    now, leeway = request["now"], 30
    want(1 <= payload["exp"] - payload["iat"] <= 300 and payload["exp"] + leeway > now)
    want(max(payload["iat"], payload.get("nbf", 0)) <= now + leeway)

answer(check)
