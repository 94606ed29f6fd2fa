#!/usr/bin/python3
"""A peer of amesh in another language, written from docs/protocol.md, sections 1 and 2, alone.

  peer.py [--key FILE] key        prints the public key
  peer.py [--key FILE] sign       signs requests:   {"method", "url", "body", "contentType", "contentEncoding"}
  peer.py verify                  checks requests:  {"method", "target", "audience", "authorization", "body", …}
  peer.py [--key FILE] call URL   sends one request, prints status and body: {"method", "body", "contentType"}

Requests are JSON on standard input, one a line, bodies in base64; one line of JSON answers each.
FILE is made if it is missing; without one, the key lives as long as the process.
"""
import argparse, base64, hashlib, json, os, re, sys, time, urllib.error, urllib.request
from urllib.parse import parse_qsl, quote_plus, urlsplit
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
HEADER = re.compile(r'authmesh +v="1",id="([\w+/-]{44})",ts="([1-9]\d{9,11})",nonce="([\w-]{22})",sig="([\w-]{86})"', re.A | re.I)

def b64u(data): return base64.urlsafe_b64encode(data).decode().rstrip("=")
def unb64u(text): return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
def point(key): return key.public_bytes(ser.Encoding.X962, ser.PublicFormat.CompressedPoint)
def device_id(compressed): return "am_" + b64u(hashlib.sha256(compressed).digest())[:16]

def canonical_target(target):
    path, _, query = target.partition("?")
    pairs = sorted(parse_qsl(query, keep_blank_values=True), key=lambda pair: pair[0].encode("utf-16-be"))
    form = lambda text: quote_plus(text, safe="*").replace("~", "%7E")
    return path + ("?" if pairs else "") + "&".join(f"{form(name)}={form(value)}" for name, value in pairs)

def canonical_string(method, target, ts, nonce, body):
    return "\n".join(["AMv1", method.upper(), canonical_target(target), ts, nonce, hashlib.sha256(body).hexdigest()])

def tag(random, host, request):
    fields = [request.get(name, "").strip(" \t") if request.get("body") else "" for name in ("contentType", "contentEncoding")]
    return hashlib.sha256("\n".join(["AMv1-bind", host, *fields, ""]).encode() + random).digest()[:8]

def normal_host(url):
    host = url.netloc.rpartition("@")[2].lower()
    host = re.sub(":80$" if url.scheme == "http" else ":(80|443)$", "", host)
    return re.sub(r"\.(?=$|:\d+$)", "", host)

def sign(key, request):
    url, body, ts, random = urlsplit(request["url"]), base64.b64decode(request.get("body", "")), str(int(time.time())), os.urandom(8)
    target = (url.path or "/") + ("?" + url.query if url.query else "")
    nonce = b64u(random + tag(random, normal_host(url), request))
    text = canonical_string(request.get("method", "GET"), target, ts, nonce, body)
    r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    sig = b64u(r.to_bytes(32, "big") + min(s, N - s).to_bytes(32, "big"))
    public = base64.b64encode(point(key.public_key())).decode()
    return {"publicKey": public, "authorization": f'AuthMesh v="1",id="{public}",ts="{ts}",nonce="{nonce}",sig="{sig}"'}

def verify(request):
    header = HEADER.fullmatch(request["authorization"])
    if header is None: return {"ok": False, "malformed": True}
    compressed, (ts, nonce), sig = unb64u(header[1].replace("+", "-").replace("/", "_")), header.group(2, 3), unb64u(header[4])
    text = canonical_string(request["method"], request["target"], ts, nonce, base64.b64decode(request.get("body", "")))
    bound = unb64u(nonce)[8:] == tag(unb64u(nonce)[:8], request["audience"], request)
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), compressed)
        der = encode_dss_signature(int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:], "big"))
        signed = key.verify(der, text.encode(), ec.ECDSA(hashes.SHA256())) is None
    except (ValueError, InvalidSignature):
        signed = False
    return {"ok": signed and bound, "deviceId": device_id(compressed), "canonical": text, "signed": signed, "bound": bound}

def call(key, url, request):
    body = base64.b64decode(request["body"]) if request.get("body") else None
    if body: request.setdefault("contentType", "application/octet-stream")
    headers = {"Authorization": sign(key, {**request, "url": url})["authorization"]}
    if body: headers["Content-Type"] = request["contentType"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        answer = opener.open(urllib.request.Request(url, body, headers, method=request.get("method", "GET")), timeout=10)
    except urllib.error.HTTPError as refused:
        answer = refused
    return {"status": answer.status, "body": answer.read().decode()}

def load_key(path):
    if path and os.path.exists(path):
        with open(path, "rb") as file: return ser.load_pem_private_key(file.read(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    if path:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption()))
    return key

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("--key", metavar="FILE")
arguments.add_argument("verb", choices=["key", "sign", "verify", "call"])
arguments.add_argument("url", nargs="?")
given = arguments.parse_args()
key = load_key(given.key) if given.verb != "verify" else None
if given.verb == "key":
    print(json.dumps({"publicKey": base64.b64encode(point(key.public_key())).decode()}))
for line in sys.stdin if given.verb != "key" else []:
    request = json.loads(line)
    answer = {"sign": lambda: sign(key, request), "verify": lambda: verify(request), "call": lambda: call(key, given.url, request)}
    print(json.dumps(answer[given.verb]()), flush=True)
