#!/usr/bin/env python3
"""Writes Sources/BigCommerce/EndpointRows+V2.swift and +V3.swift from the platform's endpoint table.

    python3 make_endpoint_rows.py ../../../../shared/bigcommerce/endpoints.tsv

A line is a path and then, for each group of methods that share a rule: methods (G GET, P POST, U PUT,
D DELETE), scope family, kind of source (s spec text, t docs scope table, d docs text, i inferred, ? unknown).
"""
import csv
import pathlib
import sys
import textwrap

SOURCES = pathlib.Path(__file__).resolve().parents[3] / "Sources" / "BigCommerce"
LETTERS = {"GET": "G", "POST": "P", "PUT": "U", "DELETE": "D"}
KINDS = {"spec text": "s", "docs scope table": "t", "docs text": "d", "inferred": "i", "unknown": "?"}


def family(read, modify):
    """The family's name: that of its scopes without prefixes and suffixes."""
    if modify in ("*", "?"):
        return modify
    if read == "store_logs_read_only":
        return "system_logs"
    named = (modify if modify != "-" else read).split()
    words = []
    for name in named:
        for prefix in ("store_v2_", "store_infrastructure_", "store_"):
            if name.startswith(prefix):
                name = name[len(prefix):]
                break
        for suffix in ("_read_only", "_manage", "_create_preview", "_read"):
            name = name.removesuffix(suffix)
        words.append(name)
    text = "+".join(dict.fromkeys(words))
    if set(modify.split()) & {n for n in read.split() if n.endswith("_read_only")}:
        text += ":readable"
    elif read == modify and not any(w in read for w in ("token", "storefront", "_create")):
        text += ":modify"
    return text


def main():
    rows = list(csv.DictReader(open(sys.argv[1], encoding="utf-8"), delimiter="\t"))
    families, paths = {}, {}
    for row in rows:
        read, modify = (" ".join(sorted(row[c].split())) for c in ("read scopes", "modify scopes"))
        name = family(read, modify)
        if families.setdefault(name, (read, modify)) != (read, modify):
            sys.exit(f"two families are called {name}: {families[name]} and {(read, modify)}")
        rule = (name, KINDS[row["how determined"].split(":")[0]])
        paths.setdefault(row["path"], {}).setdefault(rule, []).append(LETTERS[row["method"]])
    lines = {"V2": [], "V3": []}
    for path in sorted(paths):
        groups = [" ".join(("".join(m), *rule)) for rule, m in paths[path].items()]
        lines["V2" if path.startswith("/v2/") else "V3"].append(f"{path} {' '.join(groups)}")
    scopes = [f"{n} {r} | {m}" for n, (r, m) in sorted(families.items()) if n not in "*?"]
    write("V2",
          [("families", scopes), ("rowsV2", lines["V2"])])
    write("V3", [("rowsV3", lines["V3"])])


def wrapped(line):
    """The line of a Swift literal, carried on with a backslash where it would pass 100 columns."""
    parts = textwrap.wrap(line, 94, break_long_words=False, break_on_hyphens=False)
    return ["    " + part + " \\" for part in parts[:-1]] + ["    " + parts[-1]]


def write(version, members):
    text = ["// Made by Tests/BigCommerceTests/vectors/make_endpoint_rows.py, which explains the form.", "",
            "extension EndpointTable {"]
    for index, (name, lines) in enumerate(members):
        if index:
            text.append("")
        text += [f"  static let {name} = \"\"\""] + [part for line in lines for part in wrapped(line)] + ["    \"\"\""]
    text.append("}")
    (SOURCES / f"EndpointRows+{version}.swift").write_text("\n".join(text) + "\n", encoding="utf-8")


main()
