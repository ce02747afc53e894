#!/usr/bin/env python3
"""Makes signed payloads, genuine and forged, and says of each whether it must be accepted.

    python3 -m venv venv && venv/bin/pip install 'PyJWT>=2.10'
    venv/bin/python make_vectors.py > payloads.json

Genuine ones are made by PyJWT, an implementation that shares nothing with ours; forged ones by hand. The verdict and
its reason are listed here, not computed. `pyjwt` says whether PyJWT accepts the payload as well: it may be more
lenient than we are, but nothing that it refuses may be accepted. With LATCHKEY_PYTHON set to an interpreter that has
PyJWT, the tests also run this script and use what it prints.
"""
import base64
import hashlib
import hmac
import json
from datetime import datetime, timezone
from unittest import mock

import jwt

NOW = 1795224000
CLIENT = "acme3c1d5e7f9client"
SECRET = "c5ad0ad8a2f14d58b9b2d0c2b5b3a9e1c5ad0ad8a2f14d58b9b2d0c2b5b3a9e1"
OLD = "0ld5ecre70ld5ecre70ld5ecre70ld5ecre70ld5ecre70ld5ecre70ld5ecre7x"
OTHER = "an0therappssecretan0therappssecretan0therappssecretan0therappss1"

CLAIMS = {
    "aud": CLIENT, "iss": "bc", "iat": NOW - 10, "nbf": NOW - 15, "exp": NOW + 86390,
    "jti": "5b1f0c7e-7a43-4a53-9f5e-2a6a3c9d1e11", "sub": "stores/g5cd38",
    "user": {"id": 9128, "email": "user@merchant.example", "locale": "en-US"},
    "owner": {"id": 7123, "email": "owner@merchant.example"}, "url": "/", "channel_id": None,
}
GONE = object()
vectors = []


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def changed(**changes):
    claims = {**CLAIMS, **changes}
    return {name: value for name, value in claims.items() if value is not GONE}


def user(**changes):
    return changed(user={n: v for n, v in {**CLAIMS["user"], **changes}.items() if v is not GONE})


def genuine(claims, secret=SECRET, headers=None, alg="HS256"):
    return jwt.encode(claims, secret, algorithm=alg, headers=headers)


def raw(header, claims, secret=SECRET, digest=hashlib.sha256):
    """Signs any two texts."""
    encoded = [b64(part if isinstance(part, bytes) else part.encode()) for part in (header, claims)]
    signed = ".".join(encoded)
    return signed + "." + b64(hmac.new(secret.encode(), signed.encode(), digest).digest())


def pyjwt_accepts(token):
    """What PyJWT says, at the fixed time, with either secret."""
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(NOW, tz or timezone.utc)

    with mock.patch("jwt.api_jwt.datetime", Clock):
        for secret in (SECRET, OLD):
            try:
                jwt.decode(token, secret, algorithms=["HS256"], audience=CLIENT, issuer="bc", leeway=60)
                return True
            except (jwt.PyJWTError, ValueError, TypeError, UnicodeError):
                continue
    return False


def add(name, token, reason=None):
    vectors.append({"name": name, "token": token, "accepted": reason is None, "reason": reason or "",
                    "pyjwt": pyjwt_accepts(token)})


HEADER = '{"alg":"HS256","typ":"JWT"}'
BODY = json.dumps(CLAIMS, separators=(",", ":"))
GOOD = genuine(CLAIMS)
H, C, S = GOOD.split(".")

# Accepted.
add("as documented", GOOD)
add("signed with the old secret", genuine(CLAIMS, OLD))
add("a channel and a deep link", genuine(changed(channel_id=4, url="/products/1?tab=2")))
add("no owner", genuine(changed(owner=GONE)))
add("owner is null", genuine(changed(owner=None)))
add("no locale and no email", genuine(user(locale=GONE, email=GONE)))
add("no url and no channel", genuine(changed(url=GONE, channel_id=GONE)))
add("an off-site url is kept, and not followed", genuine(changed(url="https://evil.example/")))
add("unknown claims", genuine(changed(extra={"a": [1, 2, {"b": None}]}, scope="x")))
add("typ absent", raw('{"alg":"HS256"}', BODY))
add("typ in lower case", raw('{"typ":"jwt","alg":"HS256"}', BODY))
add("spaces and line ends in the JSON", raw('{ "alg" : "HS256" }\n', json.dumps(CLAIMS, indent=2)))
add("escaped names and values", raw('{"\\u0061lg":"HS\\u003256"}', BODY.replace("bc", "\\u0062c")))
add("expired within the leeway", genuine(changed(exp=NOW - 59)))
add("not valid before, within the leeway", genuine(changed(nbf=NOW + 60)))
add("issued in the future within the leeway", genuine(changed(iat=NOW + 60)))
add("nbf equal to iat", genuine(changed(nbf=NOW - 10)))
add("the largest user ID", genuine(user(id=2**63 - 1)))
add("a store hash of 32", genuine(changed(sub="stores/" + "a1" * 16)))
add("a jti of 128", genuine(changed(jti="j" * 128)))
add("names beyond ASCII", genuine(user(email="jürgen@münchen.example", locale="de")))

# Algorithm and header.
add("alg none, unsigned", jwt.encode(CLAIMS, None, algorithm="none"), "wrong_algorithm")
add("alg none, signed", raw('{"alg":"none","typ":"JWT"}', BODY), "wrong_algorithm")
add("alg None", raw('{"alg":"None"}', BODY), "wrong_algorithm")
add("alg empty", raw('{"alg":""}', BODY), "wrong_algorithm")
add("alg null", raw('{"alg":null}', BODY), "wrong_algorithm")
add("alg absent", raw('{"typ":"JWT"}', BODY), "wrong_algorithm")
add("alg a list", raw('{"alg":["HS256"]}', BODY), "wrong_algorithm")
add("alg in lower case", raw('{"alg":"hs256"}', BODY), "wrong_algorithm")
add("alg with a space", raw('{"alg":"HS256 "}', BODY), "wrong_algorithm")
add("HS512 by PyJWT", genuine(CLAIMS, alg="HS512"), "wrong_algorithm")
add("HS384 by PyJWT", genuine(CLAIMS, alg="HS384"), "wrong_algorithm")
add("says RS256, HMAC with the secret", raw('{"alg":"RS256","typ":"JWT"}', BODY), "wrong_algorithm")
add("says HS256, SHA-512 inside", raw(HEADER, BODY, digest=hashlib.sha512), "bad_signature")
add("kid", genuine(CLAIMS, headers={"kid": "1"}), "header_field_not_allowed")
add("jku", genuine(CLAIMS, headers={"jku": "https://evil.example/k"}), "header_field_not_allowed")
add("jwk", genuine(CLAIMS, headers={"jwk": {"kty": "oct", "k": "AA"}}), "header_field_not_allowed")
add("x5u", genuine(CLAIMS, headers={"x5u": "https://evil.example"}), "header_field_not_allowed")
add("crit", raw('{"alg":"HS256","crit":["exp"]}', BODY), "header_field_not_allowed")
add("b64 false", raw('{"alg":"HS256","b64":false}', BODY), "header_field_not_allowed")
add("zip", raw('{"alg":"HS256","zip":"DEF"}', BODY), "header_field_not_allowed")
add("alg twice", raw('{"alg":"none","alg":"HS256"}', BODY), "header_not_json")
add("alg twice, once escaped", raw('{"alg":"HS256","\\u0061lg":"HS256"}', BODY), "header_not_json")
add("typ at+jwt", raw('{"alg":"HS256","typ":"at+jwt"}', BODY), "wrong_type")
add("typ a number", raw('{"alg":"HS256","typ":1}', BODY), "wrong_type")
add("header a text", raw('"HS256"', BODY), "header_not_json")
add("header with a comma too many", raw('{"alg":"HS256",}', BODY), "header_not_json")
add("header with two values", raw(HEADER + "{}", BODY), "header_not_json")
add("header with a byte order mark", raw("\ufeff" + HEADER, BODY), "header_not_json")

# Signature and secret.
add("another app's secret", genuine(CLAIMS, OTHER), "bad_signature")
add("empty secret", raw(HEADER, BODY, secret=""), "bad_signature")
add("secret with a line end", genuine(CLAIMS, SECRET + "\n"), "bad_signature")
add("secret decoded from hex", raw(HEADER, BODY, secret=bytes.fromhex(SECRET).decode("latin-1")), "bad_signature")
add("secret in base64", genuine(CLAIMS, base64.b64encode(SECRET.encode()).decode()), "bad_signature")
add("client ID as the secret", genuine(CLAIMS, CLIENT + "x" * 32), "bad_signature")
add("signature empty", f"{H}.{C}.", "bad_signature")
add("signature zero", f"{H}.{C}." + b64(bytes(32)), "bad_signature")
add("signature cut to 31 bytes", f"{H}.{C}." + b64(base64.urlsafe_b64decode(S + "=")[:31]), "bad_signature")
add("signature with a byte more", f"{H}.{C}." + b64(base64.urlsafe_b64decode(S + "=") + b"\0"), "bad_signature")
add("signature as hex", f"{H}.{C}." + b64(base64.urlsafe_b64decode(S + "=").hex().encode()), "bad_signature")
add("signature of another payload", ".".join((H, C, genuine(changed(jti="x")).split(".")[2])), "bad_signature")
add("claims exchanged", ".".join((H, b64(json.dumps(changed(sub="stores/other")).encode()), S)), "bad_signature")
add("header and claims exchanged", f"{C}.{H}.{S}", "header_field_not_allowed")
add("header respelled", ".".join((b64(b'{"typ":"JWT","alg":"HS256"} '), C, S)), "bad_signature")
add("only the claims signed", f"{H}.{C}." + b64(hmac.new(SECRET.encode(), C.encode(), hashlib.sha256).digest()), "bad_signature")
add("legacy signed_payload", b64(BODY.encode()) + "." + b64(hmac.new(SECRET.encode(), BODY.encode(), hashlib.sha256).hexdigest().encode()), "not_three_parts")

# Form.
add("nothing", "", "not_three_parts")
add("one part", H, "not_three_parts")
add("two parts", f"{H}.{C}", "not_three_parts")
add("four parts", GOOD + ".x", "not_three_parts")
add("a final dot", GOOD + ".", "not_three_parts")
add("five parts, encrypted form", f"{H}.{C}.{S}.{C}.{S}", "not_three_parts")
add("empty parts", "..", "header_not_json")
add("padding", GOOD + "=", "not_canonical_base64")
add("last character with spare bits", GOOD[:-1] + chr(ord(GOOD[-1]) + 1), "not_canonical_base64")
add("standard alphabet", raw(HEADER, json.dumps(changed(url="/???>>>~~~\u00ff"), ensure_ascii=False)).replace("_", "/").replace("-", "+"), "not_canonical_base64")
add("a line end inside", f"{H}.{C[:20]}\n{C[20:]}.{S}", "not_canonical_base64")
add("a space before", " " + GOOD, "not_canonical_base64")
add("a line end after", GOOD + "\n", "not_canonical_base64")
add("a NUL inside", f"{H}.{C}\0.{S}", "not_canonical_base64")
add("letters beyond ASCII", f"{H}.{C}\u0430.{S}", "not_canonical_base64")
add("percent-encoded", GOOD.replace(".", "%2E"), "not_three_parts")
add("too long", genuine(changed(pad="p" * 6200)), "too_long")

# Claims' JSON.
add("claims a list", raw(HEADER, "[" + BODY + "]"), "claims_not_json")
add("claims empty", raw(HEADER, ""), "claims_not_json")
add("claims with two values", raw(HEADER, BODY + BODY), "claims_not_json")
add("claims with a final comma", raw(HEADER, BODY[:-1] + ",}"), "claims_not_json")
add("claims with a comment", raw(HEADER, BODY + "/**/"), "claims_not_json")
add("claims with NaN", raw(HEADER, BODY[:-1] + ',"x":NaN}'), "claims_not_json")
add("claims not UTF-8", raw(HEADER, BODY.encode()[:-1] + b',"x":"\xff"}'), "claims_not_json")
add("claims in UTF-16", raw(HEADER, BODY.encode("utf-16-le")), "claims_not_json")
add("sub twice", raw(HEADER, '{"sub":"stores/other",' + BODY[1:]), "claims_not_json")
add("sub twice, once escaped", raw(HEADER, BODY[:-1] + ',"su\\u0062":"stores/other"}'), "claims_not_json")
add("user.id twice", raw(HEADER, BODY.replace('"id":9128', '"id":1,"id":9128')), "claims_not_json")
add("half a surrogate pair", raw(HEADER, BODY[:-1] + ',"x":"\\ud800"}'), "claims_not_json")
add("too deep", raw(HEADER, BODY[:-1] + ',"x":' + "[" * 40 + "]" * 40 + "}"), "claims_not_json")
add("a number with a leading zero", raw(HEADER, BODY[:-1] + ',"x":01}'), "claims_not_json")

# Claims.
for name, value in (("another", "another"), ("absent", GONE), ("null", None), ("a list", [CLIENT]),
                    ("with a space", CLIENT + " "), ("in upper case", CLIENT.upper()), ("empty", "")):
    add(f"aud {name}", genuine(changed(aud=value)), "wrong_audience")
for name, value in (("another", "evil"), ("absent", GONE), ("a list", ["bc"]), ("in upper case", "BC")):
    add(f"iss {name}", raw(HEADER, json.dumps(changed(iss=value))), "wrong_issuer")
add("expired", genuine(changed(exp=NOW - 60)), "expired")
add("expired long ago", genuine(changed(iat=NOW - 200000, nbf=NOW - 200000, exp=NOW - 113600)), "expired")
add("not yet valid", genuine(changed(nbf=NOW + 61)), "not_yet_valid")
add("issued in the future", genuine(changed(iat=NOW + 61)), "issued_in_future")
for claim in ("exp", "nbf", "iat"):
    for name, value in (("absent", GONE), ("null", None), ("a text", str(NOW + 30)), ("a fraction", NOW + 0.5),
                        ("negative", -1), ("beyond 9999", 253402300800), ("huge", 10**30), ("true", True)):
        add(f"{claim} {name}", raw(HEADER, json.dumps(changed(**{claim: value}))), f"bad_claim:{claim}")
add("exp with an exponent", raw(HEADER, BODY.replace(str(NOW + 86390), "1.8e9")), "bad_claim:exp")
for name, value in (("absent", GONE), ("null", None), ("a number", 5), ("empty", ""), ("without stores/", "g5cd38"),
                    ("with dots", "stores/a/../b"), ("in upper case", "stores/G5CD38"), ("hash empty", "stores/"),
                    ("hash too long", "stores/" + "a" * 33), ("a final slash", "stores/g5cd38/"),
                    ("with NUL", "stores/g5\0"), ("a user", "users/1"), ("letters beyond ASCII", "stores/\u0430")):
    add(f"sub {name}", raw(HEADER, json.dumps(changed(sub=value))), "bad_claim:sub")
for name, value in (("a text", "9128"), ("a fraction", 9128.0), ("zero", 0), ("negative", -9128), ("absent", GONE),
                    ("null", None), ("true", True), ("a list", [9128]), ("too large", 2**63)):
    add(f"user.id {name}", genuine(user(id=value)), "bad_claim:user.id")
for name, value in (("absent", GONE), ("null", None), ("a list", [{"id": 1}]), ("a number", 9128)):
    add(f"user {name}", genuine(changed(user=value)), "bad_claim:user.id")
add("user.email a number", genuine(user(email=5)), "bad_claim:user.email")
add("user.email with NUL", genuine(user(email="a\0@b.example")), "bad_claim:user.email")
add("user.email too long", genuine(user(email="a" * 321)), "bad_claim:user.email")
add("user.locale with a line end", genuine(user(locale="en\n")), "bad_claim:user.locale")
add("owner.id a text", genuine(changed(owner={"id": "7123"})), "bad_claim:owner")
add("owner a number", genuine(changed(owner=7123)), "bad_claim:owner")
for name, value in (("absent", GONE), ("null", None), ("empty", ""), ("too long", "j" * 129), ("a number", 5),
                    ("with a space", "a b"), ("with NUL", "a\0"), ("beyond ASCII", "é")):
    add(f"jti {name}", raw(HEADER, json.dumps(changed(jti=value))), "bad_claim:jti")
add("url a number", genuine(changed(url=5)), "bad_claim:url")
add("url with a line end", genuine(changed(url="/\r\nX: y")), "bad_claim:url")
add("channel_id a text", genuine(changed(channel_id="4")), "bad_claim:channel_id")
add("channel_id negative", genuine(changed(channel_id=-1)), "bad_claim:channel_id")

head = json.dumps({"now": NOW, "client_id": CLIENT, "secrets": [SECRET, OLD]})
print(head[:-1] + ', "vectors": [\n' + ",\n".join(map(json.dumps, vectors)) + "\n]}")
