"""Requests that two parsers may read differently, or that only an attacker writes; and random changes of plain ones.

`OWN` stands for the attacker's store and `KEY` for its key, which are good; so whatever of this is taken for a request
reaches BigCommerce, and can be counted there. Both are as long as what they stand for, because lengths count.
"""
import itertools

OWN, KEY = b"%%%OWN%%%", b"%%KEY%%".center(56, b"%")
TARGET = b"/stores/" + OWN + b"/v3/catalog/products"
POST = b"POST " + TARGET + b" HTTP/1.1\r\nHost: latchkey\r\nX-Auth-Token: " + KEY + b"\r\n"
GET = b"GET " + TARGET + b" HTTP/1.1\r\nHost: latchkey\r\nX-Auth-Token: " + KEY + b"\r\n"
# What is hidden behind or in the body: a whole request, and the beginning of one that takes in whatever comes next.
WHOLE = b"GET " + TARGET + b"?smuggled=1 HTTP/1.1\r\nHost: latchkey\r\nX-Auth-Token: " + KEY + b"\r\n\r\n"
PREFIX = b"GET " + TARGET + b"?smuggled=2 HTTP/1.1\r\nHost: latchkey\r\nX-Auth-Token: " + KEY + b"\r\nX-Swallow: "


def chunked(data):
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)


def codings():
    for coding in [
            b"chunked", b"Chunked", b"xchunked", b"chunked, chunked", b"chunked,identity", b"identity", b"identity, chunked",
            b"gzip", b"gzip, chunked", b"chunked;q=1", b'"chunked"', b"chunke", b"chunkedx", b"", b"chunked,", b",chunked",
            b"chunked\x0b", b"\x0bchunked", b"\x00chunked", b"chunked\x00", b"\xa0chunked", b"chunked\xff", b"x, chunked",
            b"cow", b"chunked\rX: y", b"chunked\nX: y"]:
        for hidden in (WHOLE, PREFIX):
            yield f"coding {coding}", POST + b"Transfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n" + hidden
            yield f"coding {coding} and length", (
                POST + b"Content-Length: 5\r\nTransfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n" + hidden)
    for name in [b"Transfer-Encoding ", b"Transfer-Encoding\t", b" Transfer-Encoding", b"\x00Transfer-Encoding",
                 b"Transfer-Encoding\x00", b"Transfer_Encoding", b"X: y\rTransfer-Encoding", b"X: y\nTransfer-Encoding",
                 b"X: y\r\r\nTransfer-Encoding", b"X: y\r\n Transfer-Encoding", b": x\r\nTransfer-Encoding",
                 b"Transfer-Encoding:\r\n chunked\r\nX", b"Foo\r\nTransfer-Encoding", b"Transfer\xadEncoding"]:
        yield f"name {name}", POST + b"Content-Length: 5\r\n" + name + b": chunked\r\n\r\n0\r\n\r\n" + PREFIX
        yield f"name {name} without length", POST + name + b": chunked\r\n\r\n0\r\n\r\n" + PREFIX
    yield "two codings", POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + WHOLE
    yield "coding twice", POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + WHOLE
    yield "length that hides a request, and chunks", (
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n0\r\n\r\n" % (len(WHOLE) + 5) + WHOLE)
    yield "chunks in HTTP/1.0", POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + WHOLE


def lengths():
    for length in [
            b"-1", b"+5", b"5,5", b"5, 5", b"5 5", b"0x5", b"5.0", b"5e0", b"", b" ", b"abc", b"5;", b"05", b"5\t5", b'"5"',
            b"9223372036854775808", b"18446744073709551621", b"99999999999999999999", b"\xef\xbc\x95", b"5\x00", b"\x0b5",
            b"0", b"5\r", b"0005", b"6\n", b"5, 0"]:
        yield f"length {length}", POST + b"Content-Length: " + length + b"\r\n\r\nhello" + WHOLE
    for first, second in itertools.product([b"5", b"0", b""], [b"5", b"0", b"6", b""]):
        yield f"lengths {first} {second}", (
            POST + b"Content-Length: " + first + b"\r\nContent-Length: " + second + b"\r\n\r\nhello" + WHOLE)
    for name in [b"Content-Length ", b"Content-Length\t", b" Content-Length", b"Content_Length", b"Content-Length\x00",
                 b"X: y\rContent-Length", b"X: y\nContent-Length", b"X: y\r\n Content-Length", b"content-length\xa0"]:
        yield f"name {name}", POST + name + b": %d\r\n\r\n" % len(WHOLE) + WHOLE
        yield f"name {name} beside one", POST + b"Content-Length: 0\r\n" + name + b": %d\r\n\r\n" % len(WHOLE) + WHOLE


def chunk_forms():
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    for size in [b"+5", b"0x5", b" 5", b"5 ", b"5\t", b"-5", b"5.", b"5;", b"5;x=y", b'5;x="y"', b"5;\n", b'5;x="\r\n', b"05",
                 b"0000000000000000005", b"5\x00", b"", b"xyz", b"10000000000000005", b"fffffffffffffffff", b"8000000000000005",
                 b"5,5", b"\xef\xbc\x95", b"5\r"]:
        yield f"chunk size {size}", head + size + b"\r\nhello\r\n0\r\n\r\n" + WHOLE
    for ending in [b"\n", b"\r", b"\n\r", b"\r\r\n", b"", b"X\n", b"\r\n\r\n"]:
        yield f"chunk line ends {ending}", head + b"5" + ending + b"hello\r\n0\r\n\r\n" + WHOLE
        yield f"chunk data ends {ending}", head + b"5\r\nhello" + ending + b"0\r\n\r\n" + WHOLE
        yield f"last chunk ends {ending}", head + b"5\r\nhello\r\n0" + ending + b"\r\n" + WHOLE
        yield f"trailers end {ending}", head + b"5\r\nhello\r\n0\r\n" + ending + WHOLE
    for trailer in [b"Content-Length: 50", b"Host: other", b"Transfer-Encoding: chunked", b"X-Auth-Token: x", b"X: y",
                    b" folded", b": nameless", b"X : y", b"X"]:
        yield f"trailer {trailer}", head + b"0\r\n" + trailer + b"\r\n\r\n" + WHOLE
    yield "chunk longer than its size", head + b"3\r\nhello\r\n0\r\n\r\n" + WHOLE
    yield "chunk that hides a request", head + chunked(WHOLE)
    yield "chunk of a size that wraps", head + b"100000000\r\n" + WHOLE


def fields():
    plain = b"GET " + TARGET + b" HTTP/1.1\r\n"
    token = b"X-Auth-Token: " + KEY + b"\r\n"
    for hosts in [b"", b"Host: a\r\nHost: b\r\n", b"Host: a\r\nHost: a\r\n", b"Host : a\r\n", b"Host: a b\r\n", b"Host: a,b\r\n",
                  b"Host: \r\n", b"Host: a/b\r\n", b"Host: a@b\r\n", b"Host: a\x00\r\n", b"Host: a\r\n b\r\n", b"Host: a#b\r\n",
                  b"Host\r\n", b"host: a\r\nHOST: b\r\n", b"Host: \xff\r\n", b"Host: a:99999999\r\n"]:
        yield f"hosts {hosts}", plain + hosts + token + b"\r\n" + WHOLE
    for field in [b"X: a\x00b", b"X\x00: a", b"X: a\rb", b"X: a\nb", b"X: a\r\n b", b"X: a\r\n\tb", b"\x00: a", b": a", b"X",
                  b"X Y: a", b"X\t: a", b"X(: a", b"X: \x01", b"X: \x7f", b"X: \xff\xfe", b"X_Y: a", b"X-Auth_Token: other",
                  b"Connection: X-Auth-Token", b"Connection: close, Content-Length", b"Upgrade: h2c\r\nConnection: upgrade",
                  b"Expect: 100-continue", b"Expect: other", b"Content-Encoding: gzip", b"X-HTTP-Method-Override: DELETE",
                  b"X-Original-URL: /v1/keys", b"Content-Length: 0\r\nContent-Length: 0", b"X: " + b"y" * 20_000,
                  b"\r\n".join(b"X-%d: y" % n for n in range(200)), b"X" * 17_000 + b": y"]:
        yield f"field {field[:40]}", GET + field + b"\r\n\r\n" + WHOLE


def lines():
    rest = b"Host: latchkey\r\nX-Auth-Token: " + KEY + b"\r\n\r\n"
    for line in [
            b"GET  " + TARGET + b" HTTP/1.1", b"GET " + TARGET + b"  HTTP/1.1", b"GET\t" + TARGET + b" HTTP/1.1",
            b" GET " + TARGET + b" HTTP/1.1", b"GET " + TARGET, b"GET " + TARGET + b" HTTP/1.1 ", b"GET " + TARGET + b" HTTP/1.2",
            b"GET " + TARGET + b" HTTP/0.9", b"GET " + TARGET + b" HTTP/2.0", b"GET " + TARGET + b" http/1.1",
            b"GET " + TARGET + b" HTTP/1.10", b"GET " + TARGET + b" HTTP/1.1\r", b"GET " + TARGET + b" HTTP/1.1\x00",
            b"get " + TARGET + b" HTTP/1.1", b"TRACE " + TARGET + b" HTTP/1.1", b"CONNECT latchkey:80 HTTP/1.1",
            b"PRI * HTTP/2.0", b"OPTIONS * HTTP/1.1", b"GET http://latchkey" + TARGET + b" HTTP/1.1",
            b"GET http://other" + TARGET + b" HTTP/1.1", b"GET //" + TARGET + b" HTTP/1.1", b"GET " + TARGET + b"#x HTTP/1.1",
            b"GET " + TARGET + b"\x00 HTTP/1.1", b"GET " + TARGET + b"\xff HTTP/1.1", b"GET " + TARGET + b"\\..\\x HTTP/1.1",
            b"GET " + TARGET + b"?a b HTTP/1.1", b"GET " + TARGET + b"?a\rb HTTP/1.1", b"GET " + TARGET + b"?a\nb HTTP/1.1",
            b"GET latchkey" + TARGET + b" HTTP/1.1", b"GET * HTTP/1.1", b"GET ?x HTTP/1.1", b"\x16\x03\x01GET / HTTP/1.1"]:
        yield f"line {line[:60]}", line + b"\r\n" + rest + WHOLE
    yield "lines end with LF", GET.replace(b"\r\n", b"\n") + b"\n" + WHOLE
    yield "one line ends with LF", GET + b"X: y\n\r\n" + WHOLE
    yield "the empty line is LF", GET + b"\n" + WHOLE
    yield "lines end with CR", GET.replace(b"\r\n", b"\r") + b"\r" + WHOLE
    yield "empty lines first", b"\r\n" * 5 + GET + b"\r\n"


def leftovers():
    """Bodies where none is thought of, and requests behind one another."""
    yield "pipelined", (GET + b"\r\n") * 3
    yield "length 0 and a request", POST + b"Content-Length: 0\r\n\r\n" + WHOLE
    yield "no length and a request", POST + b"\r\n" + WHOLE
    yield "body on GET", GET + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE
    yield "chunked body on GET", GET + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(WHOLE)
    yield "body on DELETE", GET.replace(b"GET", b"DELETE") + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE
    yield "body on HTTP/1.0", POST.replace(b"1.1", b"1.0") + b"Content-Length: 5\r\n\r\nhello" + WHOLE
    yield "length one short", POST + b"Content-Length: 4\r\n\r\nhello" + WHOLE
    yield "refused with a body", POST.replace(KEY, b"none") + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE
    yield "unknown path with a body", (
        POST.replace(TARGET, b"/nowhere") + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE)
    yield "probe with a body", GET.replace(TARGET, b"/livez") + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE
    yield "expectation and no wait", POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE
    yield "upgrade to h2c", GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n" + WHOLE
    yield "closing and more", GET + b"Connection: close\r\n\r\n" + WHOLE


def cases():
    return [*codings(), *lengths(), *chunk_forms(), *fields(), *lines(), *leftovers()]


SEEDS = [
    GET + b"Accept: */*\r\n\r\n", POST + b"Content-Length: 5\r\n\r\nhello" + GET + b"\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + GET + b"\r\n",
    POST + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE, GET + b"\r\n" + POST + b"Content-Length: 0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(WHOLE) + GET + b"\r\n",
]
SHARP = [b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"\0", b",", b";", b"0", b"chunked", b"Content-Length: 5\r\n",
         b"Transfer-Encoding: chunked\r\n", b"\r\n\r\n", b"\x0b", b"\xff", b"_"]


def mutated(chance):
    """A plain request, or some, with a few random changes."""
    data = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(data))
        kind = chance.randrange(6)
        if kind == 0:
            data[place] = chance.randrange(256)
        elif kind == 1:
            data[place:place] = chance.choice(SHARP)
        elif kind == 2:
            del data[place:place + chance.choice([1, 1, 2, 10])]
        elif kind == 3:
            data[place:place] = data[place:place + 20]
        elif kind == 4:
            data[place] ^= 1 << chance.randrange(8)
        else:
            data[place:place + 1] = chance.choice(SHARP)
        if not data:
            break
    return bytes(data)
