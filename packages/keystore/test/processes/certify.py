"""Issues certificates. Reads a list of what they should be from stdin, writes an object of PEM texts by name."""
import datetime
import json
import sys
import warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ObjectIdentifier


warnings.simplefilter("ignore")  # SHA-1 is what a test wants to see refused


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


def at(seconds):
    return datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)


keys = {}
subjects = {}
certificates = {}
for wish in json.load(sys.stdin):
    name, issuer = wish["name"], wish["issuer"]
    keys[name] = keys[wish["keyOf"]] if "keyOf" in wish else ec.generate_private_key(ec.SECP256R1())
    public = (
        serialization.load_pem_public_key(wish["publicKey"].encode())
        if "publicKey" in wish
        else keys[name].public_key()
    )
    subjects[name] = name_of(wish.get("subject", name))
    builder = (
        x509.CertificateBuilder()
        .subject_name(subjects[name])
        .issuer_name(subjects[issuer])
        .public_key(public)
        .serial_number(len(certificates) + 1000)
        .not_valid_before(at(wish["notBefore"]))
        .not_valid_after(at(wish["notAfter"]))
    )
    if wish.get("ca") is not None:
        constraints = x509.BasicConstraints(ca=wish["ca"], path_length=wish.get("pathLength"))
        builder = builder.add_extension(constraints, critical=True)
    if "usage" in wish:
        usage = x509.ExtendedKeyUsage([ObjectIdentifier(oid) for oid in wish["usage"]])
        builder = builder.add_extension(usage, critical=False)
    if "device" in wish:
        attributes = [x509.NameAttribute(ObjectIdentifier(oid), text) for oid, text in wish["device"].items()]
        rdns = (
            [x509.RelativeDistinguishedName(attributes)]
            if wish.get("oneRdn")
            else [x509.RelativeDistinguishedName([attribute]) for attribute in attributes]
        )
        names = x509.SubjectAlternativeName([x509.DirectoryName(x509.Name(rdns))])
        builder = builder.add_extension(names, critical=True)
    if "keyUse" in wish:
        names = "digital_signature content_commitment key_encipherment data_encipherment key_agreement"
        uses = [*names.split(), "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
        usage = x509.KeyUsage(**{use: use in wish["keyUse"] for use in uses})
        builder = builder.add_extension(usage, critical=True)
    if "nameConstraints" in wish:
        tree = [x509.DirectoryName(name_of("one")), x509.DirectoryName(name_of(""))]
        builder = builder.add_extension(x509.NameConstraints(tree, None), critical=wish["nameConstraints"] == "critical")
    if "critical" in wish:
        unknown = x509.UnrecognizedExtension(ObjectIdentifier(wish["critical"]), b"\x05\x00")
        builder = builder.add_extension(unknown, critical=True)
    digest = hashes.SHA1() if wish.get("weak") else hashes.SHA256()
    certificate = builder.sign(keys[issuer], digest)
    certificates[name] = certificate.public_bytes(serialization.Encoding.PEM).decode()
json.dump(certificates, sys.stdout)
