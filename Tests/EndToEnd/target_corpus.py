"""Request targets that try to leave `/stores/{own hash}/(v2|v3|graphql)`, and some that are merely odd."""
import itertools
import random

DOTS = ["..", "%2e%2e", "%2E%2E", ".%2e", "%2e.", "%252e%252e", "%25252e%25252e", "%2525252e%2525252e", "%%32%65%%32%65",
        "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%u002e%u002e", "..;", "..;x=1", "..%00", "..%20", "..%09", "...", ".",
        "%2e", "%252e", "．．", "..\\", "..%5c", "..%255c", "..%5c..", "..%c1%9c", "..%e2%88%95"]
SLASHES = ["/", "//", "%2f", "%2F", "%252f", "%25252f", "%%32%66", "\\", "%5c", "%5C", "%255c", "/%2f", "%2f/", "/./",
           "/;/", ";/", "%c0%af", "%e0%80%af", "%u2215", "/%00/", "%00", "%0a", "%0d%0a", "%23", "%3f"]
STARTS = ["/stores/{own}/v3", "/stores/{own}/v2", "/stores/{own}/graphql", "/stores/{own}", "/stores", "", "/stores/{own}/v3/catalog",
          "/stores/{own}/v3/catalog/products/1"]
ENDS = ["stores/{other}/v3/catalog/products", "stores/{other}/v2/store", "accounts/x/graphql", "oauth2/token", "control/requests",
        "{other}/v2/store", "v4/x", "", "v3", "%76%33/catalog/products", "payments"]
ODD = ["/stores/{own}/v3;x/catalog", "/stores/{own};x/v3/catalog", "/stores/{OWN}/v3/catalog/products", "/Stores/{own}/v3/catalog",
       "/stores/{own}/V3/catalog", "/stores//{own}/v3/catalog", "//stores/{own}/v3/catalog", "/stores/{own}//v3/catalog",
       "/stores/{own}/v3//catalog", "/stores/{own}/v30/catalog", "/stores/{own}/v3catalog", "/stores/{own}/v1/x",
       "/stores/{own}%00/v3/catalog", "/stores/{own}%2f{other}/v3/x", "/stores/{own},{other}/v3/x", "/stores/*/v3/x",
       "/stores/{other}/v3/catalog/products", "/stores/{other}/v2/store", "http://127.0.0.1/stores/{other}/v3/x",
       "http://{own}@127.0.0.1/stores/{other}/v3/x", "stores/{own}/v3/x", "*", "/stores/{own}/v3/x#/../../{other}",
       "/stores/{own}/graphql/x", "/stores/{own}/graphql/../v3", "/stores/{own}/v3/\x7f", "/stores/{own}/v3/é", "/stores/{own}/v3/%",
       "/stores/{own}/v3/%2", "/stores/{own}/v3/%zz", "/stores/{own}/v3/a b", "/stores/{own}/v3/a\tb"]


def corpus(own, other, size, seed=20261121):
    """At least `size` different targets; the same seed gives the same list."""
    fill = {"own": own, "other": other, "OWN": own.upper()}
    made = dict.fromkeys(line.format(**fill) for line in ODD)
    for start, slash, dots, end in itertools.product(STARTS, SLASHES, DOTS, ENDS):
        made[f"{start}{slash}{dots}{slash}{end}".format(**fill)] = None
    chance = random.Random(seed)
    lines = list(made)
    chance.shuffle(lines)
    lines = [line.format(**fill) for line in ODD] + lines
    pieces = DOTS + SLASHES + ["v3", "v2", "stores", own, other, "graphql", "catalog", "%", "%2", "?", "&", "a", "~", "+"]
    while len(lines) < size:
        start = chance.choice(STARTS).format(**fill)
        lines.append(start + "/" + "".join(chance.choice(pieces) for _ in range(chance.randint(1, 9))))
    return lines[:size]
