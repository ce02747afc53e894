#!/usr/bin/env python3
"""Signs webhooks, and verifies what others signed, with the PyPI package `standardwebhooks`.

    python3 -m venv venv && venv/bin/pip install 'standardwebhooks==1.1.0'
    venv/bin/python make_webhooks.py sign 1 60 > webhooks.json     # seed, count
    venv/bin/python make_webhooks.py verify < signed.json          # prints "good" or the complaint, one per line

Half of the keys are client secrets (the HMAC key is their UTF-8), half are subscriptions' secrets (`whsec_` …).
"""
import base64
import json
import random
import string
import sys
from datetime import datetime, timezone

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

NOW = 1795224000
SCOPES = ["store/order/created", "store/product/updated", "store/priceList/records/updated", "store/cart/lineItem/created"]


def library_secret(secret):
    """What the library must be given: it decodes base 64."""
    return secret if secret.startswith("whsec_") else base64.b64encode(secret.encode()).decode()


def sign(seed, count):
    rng = random.Random(seed)
    letters = string.ascii_letters + string.digits

    def text(low, high, alphabet=letters):
        return "".join(rng.choices(alphabet, k=rng.randint(low, high)))

    for number in range(count):
        secret = text(1, 64) if number % 2 else "whsec_" + base64.b64encode(rng.randbytes(rng.randint(24, 64))).decode()
        body = json.dumps({
            "scope": rng.choice(SCOPES), "store_id": text(1, 8, string.digits), "data": {"type": text(0, 9, "ördé✓a\"\\"), "id": rng.getrandbits(40)},
            "hash": rng.randbytes(20).hex(), "created_at": NOW - rng.randint(0, 10000), "producer": "stores/" + text(1, 32, string.ascii_lowercase + string.digits),
        }, ensure_ascii=number % 3 == 0, separators=(",", ":") if number % 5 else (", ", ": "))
        if number % 17 == 0:
            body = text(0, 3) if number else ""
        message, sent = rng.choice(["", "msg_"]) + text(1, 60, letters + "-_:/=+"), NOW - rng.randint(0, 72 * 3600)
        signature = Webhook(library_secret(secret)).sign(message, datetime.fromtimestamp(sent, timezone.utc), body)
        yield {"id": message, "timestamp": str(sent), "body": body, "secret": secret, "signature": signature}


def verdict(case):
    headers = {"webhook-id": case["id"], "webhook-timestamp": case["timestamp"], "webhook-signature": case["signature"]}
    try:
        Webhook(library_secret(case["secret"])).verify(case["body"], headers, json_parse=False)
        return "good"
    except WebhookVerificationError as error:
        return str(error)


if sys.argv[1] == "sign":
    cases = sign(int(sys.argv[2]), int(sys.argv[3]))
    print('{"now": %d, "cases": [\n%s\n]}' % (NOW, ",\n".join(map(json.dumps, cases))))
else:
    print("\n".join(map(verdict, json.load(sys.stdin))))
