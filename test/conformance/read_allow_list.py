#!/usr/bin/python3
"""A reader of amesh's files in another language, written from docs/protocol.md, section 11, alone.

Each line of standard input is JSON, files in base64; one line of JSON answers it:
  {"keyFile", "key"}                                 opens a key file; "key" is what Argon2id made of the passphrase
  {"backup", "key"}                                  opens a backup in the same way
  {"sealingSecret", "deviceId", "allowList", "remembered"}   reads an allow list; without "remembered" it is not asked
"""
import base64, hashlib, hmac, json, re, sys
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

class Refused(Exception): pass

def refuse_if(unfit, code):
    if unfit: raise Refused(code)

def unb64(text): return base64.b64decode(text, validate=True)
def b64u(data): return base64.urlsafe_b64encode(data).decode().rstrip("=")
def canonical(value): return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
def device_id(point): return "am_" + b64u(hashlib.sha256(point).digest())[:16]
def mac(key, data): return hmac.new(key, data, hashlib.sha256).digest()
def derive(secret, salt, info): return HKDF(hashes.SHA256(), 32, salt, info.encode()).derive(secret)

def unb64u(text, length, code):
    try:
        data = base64.urlsafe_b64decode(text + "==")
    except (TypeError, ValueError):
        raise Refused(code)
    refuse_if(len(data) != length or b64u(data) != text, code)
    return data

def unique(pairs):
    if len(dict(pairs)) < len(pairs): raise ValueError("a member is named twice")
    return dict(pairs)

def number(text):
    value = float(text)
    if value in (float("inf"), float("-inf")): raise ValueError("out of range")
    return int(value) if value.is_integer() and abs(value) <= 2**53 else value

def no_constant(text): raise ValueError(text)

def depth(value):
    if not isinstance(value, (dict, list)): return 0
    return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)

def strict_object(data, most, code):
    try:
        refuse_if(len(data) > most, code)
        value = json.loads(data.decode("utf-8"), object_pairs_hook=unique,
                           parse_int=number, parse_float=number, parse_constant=no_constant)
        canonical(value)  # fails for half a surrogate pair
        refuse_if(not isinstance(value, dict) or depth(value) > 16, code)
        return value
    except (ValueError, RecursionError):
        raise Refused(code)

# 11.1 to 11.3: what fits where. A table names the members of an object; those that end in _ are optional.
def integer(low, high): return lambda value: type(value) is int and low <= value <= high
def text(pattern): return lambda value: isinstance(value, str) and re.fullmatch(pattern, value, re.A) is not None
def one_of(*values): return lambda value: any(type(value) is type(one) and value == one for one in values)
def list_of(fits, most): return lambda value: isinstance(value, list) and len(value) <= most and all(map(fits, value))
def scopes(value):
    fits = text(r"\*|(__)?[a-z0-9-]{1,32}(\.[a-z0-9-]{1,32})?")
    return isinstance(value, dict) and len(value) <= 256 and all(fits(name) and value[name] in ("r", "rw") for name in value)
def record(**table):
    wanted = {name.strip("_"): (fits, name.endswith("_")) for name, fits in table.items()}
    return lambda value: isinstance(value, dict) and set(value) <= set(wanted) and all(
        fits(value[name]) if name in value else optional for name, (fits, optional) in wanted.items())

time = integer(0, 253402300799)
an_id = text(r"am_[A-Za-z0-9_-]{16}")
def name(value): return isinstance(value, str) and 1 <= len(value) <= 64  # cleaning is left to those who show it
DEVICE = record(
    deviceId=an_id, publicKey=text(r"[A-Za-z0-9+/]{44}"), friendlyName=name, role=one_of("controller", "target"),
    status=one_of("active", "pending"), addedAt=time, addedBy=one_of("handshake", "bootstrap", "enrollment", "manual"),
    bound=one_of(True, False), scopes_=scopes, expiresAt_=time)
ALLOW_LIST = record(
    version=one_of(1), generation=integer(1, 2**53 - 1), audience_=list_of(text(r"[\x21-\x7e]{1,262}"), 64),
    maxControllers=integer(1, 10000), devices=list_of(DEVICE, 10000),
    revoked=list_of(record(deviceId=an_id, friendlyName=name, revokedAt=time), 100000),
    consumed=list_of(record(jti=text(r"[\x21-\x7e]{1,128}"), expiresAt=time), 10000), updatedAt=time)

def distinct(values): return len(set(values)) == len(values)

def consistent(members):
    devices, revoked = members["devices"], [gone["deviceId"] for gone in members["revoked"]]
    return (distinct(revoked) and distinct([(device["deviceId"], device["role"]) for device in devices])
            and all(device_id(unb64(device["publicKey"])) == device["deviceId"] for device in devices)
            and not any((device["role"], device["status"]) == ("controller", "active") and device["deviceId"] in revoked
                        for device in devices))

# 11.4 and 11.5
def read_allow_list(data, secret, device, remembered):
    members = strict_object(data, 33554432, "allow_list_damaged")
    seal = unb64u(members.pop("hmac", None), 32, "allow_list_damaged")
    key = derive(secret, device.encode(), "amesh/allow-list/1")
    refuse_if(not hmac.compare_digest(seal, mac(key, canonical(members))), "allow_list_integrity_failure")
    refuse_if(not ALLOW_LIST(members) or not consistent(members), "allow_list_damaged")
    refuse_if(remembered is not None and members["generation"] < generation_of(remembered, secret), "allow_list_rollback")
    return members

def generation_of(data, secret):
    code = "allow_list_rollback"
    file = strict_object(data, 4096, code)
    refuse_if(not record(version=one_of(1), value=text(r"[\w-]{0,86}"), mac=text(r"[\w-]{43}"))(file), code)
    value = unb64u(file["value"], len(file["value"]) * 3 // 4, code)
    fits = hmac.compare_digest(unb64u(file["mac"], 32, code), mac(derive(secret, b"", "amesh/remembered/1"), value))
    refuse_if(not fits or not re.fullmatch(rb"[1-9][0-9]{0,15}", value), code)
    return int(value)

# 11.6 and 11.14, but for Argon2id, which this version of cryptography does not have
KEY_FILE = dict(
    version=one_of(1), publicKey=text(r"[A-Za-z0-9+/]{44}"), ciphertext=text(r"[\w-]{107}"),
    kdf=record(name=one_of("argon2id"), memoryKiB=integer(19456, 1048576), passes=integer(1, 10), lanes=integer(1, 4),
               salt=text(r"[\w-]{22}")),
    cipher=record(name=one_of("aes-256-gcm"), nonce=text(r"[\w-]{16}")))
BACKUP = dict(KEY_FILE, type=one_of("amesh-identity"), deviceId=an_id, friendlyName=name, createdAt=time, exportedAt=time)

def open_sealed_key(data, key, fits, damaged):
    file = strict_object(data, 4096, damaged)
    refuse_if(not fits(file) or file.get("deviceId") not in (None, device_id(unb64(file["publicKey"]))), damaged)
    sealed = unb64u(file.pop("ciphertext"), 80, damaged)
    try:
        plaintext = AESGCM(key).decrypt(unb64u(file["cipher"]["nonce"], 12, damaged), sealed, canonical(file))
    except InvalidTag:
        raise Refused("passphrase_wrong")
    public = ec.derive_private_key(int.from_bytes(plaintext[:32], "big"), ec.SECP256R1()).public_key()
    point = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    refuse_if(base64.b64encode(point).decode() != file["publicKey"], damaged)
    return {"deviceId": device_id(point), "sealingSecret": base64.b64encode(plaintext[32:]).decode()}

def answer(asked):
    if "keyFile" in asked: return open_sealed_key(unb64(asked["keyFile"]), unb64(asked["key"]), record(**KEY_FILE), "key_store_damaged")
    if "backup" in asked: return open_sealed_key(unb64(asked["backup"]), unb64(asked["key"]), record(**BACKUP), "backup_damaged")
    remembered = unb64(asked["remembered"]) if "remembered" in asked else None
    return read_allow_list(unb64(asked["allowList"]), unb64(asked["sealingSecret"]), asked["deviceId"], remembered)

for line in sys.stdin:
    try:
        print(json.dumps(answer(json.loads(line))), flush=True)
    except Refused as refusal:
        print(json.dumps({"refused": str(refusal)}), flush=True)
