#!/usr/bin/python3
"""Verifies tokens with PyJWT as its documentation shows it, by the published keys.

Arguments: the file of the JWK Set, issuer, audience. Standard input: a token a line. Standard output: "accepted" or "refused", a line each.
"""
import sys
import jwt

path, issuer, audience = sys.argv[1:]
keys = {key.key_id: key for key in jwt.PyJWKSet.from_json(open(path).read()).keys}

for line in sys.stdin:
    token = line.rstrip("\n")
    try:
        key = keys[jwt.get_unverified_header(token)["kid"]]
        required = ["iss", "sub", "aud", "iat", "exp", "jti"]
        jwt.decode(token, key.key, algorithms=["EdDSA", "ES256"], issuer=issuer, audience=audience, leeway=30, options={"require": required})
        print("accepted", flush=True)
    except (jwt.PyJWTError, KeyError, ValueError, TypeError, AttributeError):
        print("refused", flush=True)
