#!/usr/bin/python3
"""Computes and checks what sections 9 and 10 of docs/protocol.md define, written from that document alone.

Standard input: one line of JSON each, {"kind", …}. Standard output: {"ok"} and what was computed, one line each.
"""
import base64, hashlib, hmac, json, re
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from strict_jws import answer, device_id, parts, public_key, seconds, unb64u, verify, want

def b64u(data): return base64.urlsafe_b64encode(data).decode().rstrip("=")
def sha256(*pieces): return hashlib.sha256(b"".join(pieces)).digest()
def jcs(value): return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

def base64_key(text):
    key = base64.b64decode(text, validate=True)
    want(base64.b64encode(key).decode() == text and len(key) == 33)
    return key

def request(line):
    asked = line["request"]
    key = base64_key(asked["publicKey"])
    signed = b"amesh/enroll/1 request\n" + asked["origin"].encode() + b"\n" + jcs(asked)
    verify(public_key(key), unb64u(line["signature"]), signed)
    digest = sha256(b"amesh/enroll/1 compare", sha256(jcs(asked)), bytes.fromhex(line["s"]))
    return {"code": "%06d" % (int.from_bytes(digest[:8], "big") % 10**6), "device": device_id(key)}

def challenge(line):
    given = line["answer"]
    raw = unb64u(given["challenge"])
    want(len(raw) == 48 and int.from_bytes(raw[:8], "big") == line["time"])
    said = f"amesh/challenge/1\n{line['purpose']}\n{given['device']}\n".encode() + raw[:8] + b"\n" + raw[8:32]
    want(hmac.new(bytes.fromhex(line["serverKey"]), said, "sha256").digest()[:16] == raw[32:])
    key = base64_key(line["publicKey"])
    want(device_id(key) == given["device"])
    signed = "\n".join(["amesh/challenge/1", line["origin"], line["purpose"], given["device"], given["challenge"], str(given["counter"])])
    verify(public_key(key), unb64u(given["signature"]), signed.encode())

def claim(line):
    key, ends = base64_key(line["publicKey"]), [line["origin"], line["account"], line["challenge"]]
    rest = "\n".join([*ends, b64u(key), b64u(sha256(jcs(line["details"])))])
    onboard, recover = f"amesh/onboard/1\n{rest}".encode(), f"amesh/recover/1\n{rest}".encode()
    secret = unb64u(line["secret"].removeprefix("amesh_once_"))
    want(len(secret) == 32)
    seed = HKDF(hashes.SHA256(), 32, line["account"].encode(), b"amesh/onboard/1").derive(secret)
    derived = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key()
    derived.verify(unb64u(line["onboard"]["s1"]), onboard)
    verify(public_key(key), unb64u(line["onboard"]["s2"]), onboard)
    verify(public_key(key), unb64u(line["recover"]["signature"]), recover)
    return {"derivedKey": b64u(derived.public_bytes(Encoding.Raw, PublicFormat.Raw))}

def recovery(line):
    letters = base64.b32encode(bytes.fromhex(line["random"])).decode().rstrip("=")
    code = "-".join(letters[i:i + 4] for i in range(0, 26, 4))
    return {"code": code, "digest": b64u(sha256(code.encode()))}

def digests(line):
    chain = [sha256(f"amesh/feed/1\n{line['name']}\n{line['epoch']}".encode())]
    for changes in line["deltas"]: chain.append(sha256(chain[-1], sha256(jcs(changes))))
    return {"digests": [b64u(each) for each in chain]}

def token_id(line): return {"id": line["by"] + ":" + b64u(sha256(line["value"].encode()))}

BESIDE = {"head": {"digest"}, "delta": {"before", "changes"}, "snapshot": {"digest", "body", "entries"}}

def statement(line):
    header, payload, signature, signed = parts(line["jws"])
    x = unb64u(line["key"]["x"])
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": b64u(x)}
    want(header == {"typ": "amesh-feed+jwt", "alg": "EdDSA", "kid": b64u(sha256(jcs(jwk)))})
    ed25519.Ed25519PublicKey.from_public_bytes(x).verify(signature, signed)
    want(payload["kind"] in BESIDE)
    want(set(payload) == {"iss", "feed", "kind", "epoch", "number", "iat"} | BESIDE[payload["kind"]])
    want(re.fullmatch(r"tokens|@[a-z0-9-]{2,32}", payload["feed"]))
    want(seconds(payload["epoch"]) and type(payload["number"]) is int and payload["number"] >= 0)
    for name in {"digest", "before", "body"} & set(payload): want(len(unb64u(payload[name])) == 32)
    if payload["kind"] == "delta":
        want(1 <= len(payload["changes"]) <= 1000)
        for kind, name, value in payload["changes"]: want(value is None or isinstance(value, dict))
    if payload["kind"] == "snapshot":
        want(unb64u(payload["body"]) == sha256(line["snapshot"].encode()))
        want(payload["entries"] == line["snapshot"].count("\n"))

def revocation(line):
    header, payload, signature, signed = parts(line["jws"])
    want(set(payload) - {"reason"} == {"iss", "key", "seq", "iat", "action", "device"})
    key = base64_key(payload["key"])
    want(header == {"typ": "amesh-revocation+jwt", "alg": "ES256", "kid": device_id(key)})
    want(payload["iss"] == device_id(key) and payload["action"] in ("revoke", "unrevoke"))
    want(seconds(payload["seq"]) and re.fullmatch(r"am_[\w-]{16}", payload["device"], re.A))
    verify(public_key(key), signature, signed)
    return {"signer": payload["iss"], "device": payload["device"], "action": payload["action"]}

KINDS = {each.__name__: each for each in (request, challenge, claim, recovery, digests, token_id, statement, revocation)}
answer(lambda line: KINDS[line["kind"]](line))
