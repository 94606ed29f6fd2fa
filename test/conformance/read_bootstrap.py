#!/usr/bin/python3
"""Checks bootstrap tokens (docs/protocol.md, section 7), written from that document alone.

Standard input: one line of JSON each, {"token", "now", "hosts"}. Standard output: {"ok", "controller", "otc"}, one line each.
"""
import base64, hashlib, re
from strict_jws import answer, device_id, parts, public_key, seconds, unb64u, verify, want

MEMBERS = {"iss", "public_key", "controller", "jti", "iat", "exp", "name", "relay", "single_use", "scope"}

def check(request):
    header, payload, signature, signed = parts(request["token"])
    want(set(payload) - {"host"} == MEMBERS)
    key = base64.b64decode(payload["public_key"], validate=True)
    want(base64.b64encode(key).decode() == payload["public_key"])
    want(header == {"typ": "amesh-bootstrap+jwt", "alg": "ES256", "kid": device_id(key)})
    want(payload["iss"] == device_id(key))
    verify(public_key(key), signature, signed)
    want(payload["scope"] == "peer:add" and payload["single_use"] is True)
    want(len(unb64u(payload["jti"])) == 16)
    iat, exp, now = seconds(payload["iat"]), seconds(payload["exp"]), request["now"]
    want(0 < exp - iat <= 86400 and iat <= now + 30 and now < exp)
    want(re.fullmatch(r"wss?://[\x21-\x7e]{1,500}", payload["relay"]))
    want(payload["name"].strip() and payload["controller"].strip())
    if "host" in payload:
        want(re.fullmatch(r"[a-z0-9._-]{1,253}", payload["host"]))
        want(payload["host"] in [host.lower().removesuffix(".") for host in request["hosts"]])
    otc = hashlib.sha256(b"amesh/boot/1 otc" + payload["jti"].encode()).digest()[:16]
    return {"controller": device_id(key), "otc": base64.urlsafe_b64encode(otc).decode().rstrip("=")}

answer(check)
