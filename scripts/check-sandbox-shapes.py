#!/usr/bin/env python3
"""Compares the sandbox's answers with BigCommerce's OpenAPI files.

Usage: check-sandbox-shapes.py SANDBOX_URL OPENAPI_FOLDER

Makes a store and a token through the control API, calls every resource that the sandbox has and
validates each answer against the response schema of its operation. An answer may not have members
that the schema does not know, except those that the platform is known to send (UNDOCUMENTED).
Prints one line per call; exit code 1 when an answer differs, 2 when something to check with is
missing. Needs PyYAML and jsonschema (Debian: python3-yaml python3-jsonschema).
"""

import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

try:
    import yaml
    from jsonschema import Draft202012Validator
except ImportError as error:
    print(f"missing: {error.name}; apt-get install python3-yaml python3-jsonschema")
    sys.exit(2)

PRODUCTS = "catalog/products_catalog.v3.yml"
VARIANTS = "catalog/product-variants_catalog.v3.yml"
BRANDS = "catalog/brands_catalog.v3.yml"
CATEGORIES = "catalog/categories_catalog.v3.yml"
ORDERS = "orders.v2.oas2.yml"
ORDERS_V3 = "orders.v3.yml"
CUSTOMERS = "customers.v3.yml"
GROUPS = "customers.v2.yml"
CARTS = "carts.v3.yml"
INVENTORY = "inventory.v3.yml"
HOOKS = "webhooks.v3.yml"
STORE = "store_information.v2.yml"
CHANNELS = "channels.v3.yml"

# Members that real answers have although the response schema leaves them out.
UNDOCUMENTED = {
    "map_price",  # variants
    "image_file",  # images of a product that were given by URL
    "variants",  # of a product, when asked for with include
    "cursor_pagination",
    "errors",
}
# Members whose own members are free.
FREE = {"errors", "headers"}


class Specification:
    """The OpenAPI files of a folder, with references resolved as they are met."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.documents = {}

    def document(self, name):
        if name not in self.documents:
            self.documents[name] = yaml.load(
                (self.folder / name).read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            )
        return self.documents[name]

    def resolve(self, name, node):
        while isinstance(node, dict) and "$ref" in node:
            file, _, pointer = node["$ref"].partition("#/")
            if file:
                name = str((self.folder / name).parent.joinpath(file).resolve().relative_to(self.folder.resolve()))
            node = self.document(name)
            for part in pointer.split("/"):
                node = node[part.replace("~1", "/").replace("~0", "~")]
        return name, node

    def response_schema(self, name, path, method, status):
        operation = self.document(name)["paths"][path][method.lower()]
        responses = {str(key): value for key, value in operation["responses"].items()}
        name, response = self.resolve(name, responses[str(status)])
        contents = list(response.get("content", {}).values())
        schema = contents[0].get("schema", {}) if contents else response.get("schema", {})
        return self.json_schema(name, schema)

    def json_schema(self, name, node, depth=0):
        """OpenAPI 3.0 schema to JSON Schema: nullable, references, and oneOf that overlap."""
        name, node = self.resolve(name, node)
        if not isinstance(node, dict) or depth > 14:
            return {}
        schema = {}
        for key in ("required", "enum", "minimum", "maximum", "maxLength", "minItems", "maxItems"):
            if key in node:
                schema[key] = node[key]
        if isinstance(node.get("type"), str):
            schema["type"] = node["type"]
        if "properties" in node:
            schema["properties"] = {
                key: self.json_schema(name, value, depth + 1)
                for key, value in node["properties"].items()
            }
        if "items" in node:
            schema["items"] = self.json_schema(name, node["items"], depth + 1)
        for key in ("allOf", "anyOf", "oneOf"):
            if key in node:
                target = "allOf" if key == "allOf" else "anyOf"
                schema[target] = [self.json_schema(name, part, depth + 1) for part in node[key]]
        if node.get("nullable"):
            schema.pop("enum", None)
            schema = {"anyOf": [schema, {"type": "null"}]}
        return schema


def known_members(schema):
    """Every member name that the schema allows here; None when it allows any."""
    if not schema:
        return None
    names = set(schema.get("properties", {}))
    for key in ("allOf", "anyOf"):
        for part in schema.get(key, []):
            if part.get("type") == "null":
                continue
            more = known_members(part)
            if more is None:
                return None
            names |= more
    return names if {"properties", "allOf", "anyOf"} & set(schema) else None


def parts(schema):
    """The schema and all that it is made of."""
    yield schema
    for key in ("allOf", "anyOf"):
        for part in schema.get(key, []):
            yield from parts(part)


def unknown_members(value, schema, path="$"):
    if isinstance(value, dict):
        names = known_members(schema)
        for key, member in value.items():
            if names is not None and key not in names and key not in UNDOCUMENTED:
                yield f"{path}.{key}"
            if key in FREE:
                continue
            candidates = [p["properties"][key] for p in parts(schema) if key in p.get("properties", {})]
            if candidates:
                yield from unknown_members(member, {"anyOf": candidates}, f"{path}.{key}")
    elif isinstance(value, list):
        items = [p["items"] for p in parts(schema) if "items" in p]
        for index, member in enumerate(value[:3] if items else []):
            yield from unknown_members(member, {"anyOf": items}, f"{path}[{index}]")


class Sandbox:
    """The sandbox under test, and what came out of the comparison."""

    def __init__(self, url, specification):
        self.url = url
        self.specification = specification
        self.failures = 0
        self.calls = 0
        app = {
            "client_id": "shapes", "client_secret": "shapes", "origin": "http://127.0.0.1:1",
            "scopes": "store_v2_products store_v2_orders store_v2_customers store_v2_information "
                      "store_cart store_inventory store_channel_settings_read_only",
        }
        self.control("apps", app)
        self.store = f"shapes{int(time.time())}"
        self.control("stores", {"store_hash": self.store, "name": "Shapes"})
        self.control(f"quota/{self.store}", {"limit": 100000}, "PUT")
        token = self.control("tokens", {"client_id": "shapes", "store_hash": self.store})
        self.token = token["access_token"]

    def control(self, path, body, method="POST"):
        status, answer = self.request(method, f"{self.url}/control/{path}", body)
        if status >= 300:
            raise SystemExit(f"control {path}: {status} {answer}")
        return answer

    def request(self, method, url, body=None, headers=None):
        data = body if isinstance(body, bytes) else None
        headers = dict(headers or {})
        if body is not None and data is None:
            data = json.dumps(body).encode()
            headers["content-type"] = "application/json"
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                text, status = answer.read(), answer.status
        except urllib.error.HTTPError as error:
            text, status = error.read(), error.code
        return status, json.loads(text) if text else None

    def check(self, method, path, file, template, status, body=None, schema_status=None, headers=None,
              schema_method=None):
        """Calls and compares; the answer, so that a later call can use its IDs."""
        self.calls += 1
        url = f"{self.url}/stores/{self.store}{path}"
        got, answer = self.request(method, url, body, {"x-auth-token": self.token, **(headers or {})})
        problems = []
        if got != status:
            problems.append(f"status {got}, not {status}: {json.dumps(answer)[:300]}")
        elif answer is not None:
            schema = self.specification.response_schema(
                file, template, schema_method or method, schema_status or status)
            for error in Draft202012Validator(schema).iter_errors(answer):
                place = "$" + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.path)
                problems.append(f"{place}: {error.message[:200]}")
            problems += [f"{place}: not in the schema" for place in unknown_members(answer, schema)]
        print(f"{'FAIL' if problems else 'ok  '} {method} {path} {got}")
        for problem in sorted(set(problems))[:25]:
            print(f"       {problem}")
        self.failures += bool(problems)
        return answer


def catalogue(s):
    p = "/catalog/products"
    for query in ("", "?limit=3", "?page=2&limit=5", "?include=variants,images&limit=2"):
        s.check("GET", "/v3" + p + query, PRODUCTS, p, 200)
    s.check("GET", "/v3/catalog/summary", PRODUCTS, "/catalog/summary", 200)
    one = s.check("POST", "/v3" + p, PRODUCTS, p, 200, {
        "name": "Shape", "type": "physical", "price": 12.5, "weight": 2, "sku": "SHAPE-1"})
    product = one["data"]["id"]
    item = p + "/{product_id}"
    s.check("GET", f"/v3{p}/{product}?include=primary_image", PRODUCTS, item, 200)
    s.check("PUT", f"/v3{p}/{product}", PRODUCTS, item, 200, {"price": 15, "sale_price": 9.99})
    s.check("PUT", f"/v3{p}", PRODUCTS, p, 200, [{"id": product, "is_visible": False}])
    s.check("GET", f"/v3{p}/999999", PRODUCTS, item, 404)
    s.check("POST", "/v3" + p, PRODUCTS, p, 409, {
        "name": "Shape", "type": "physical", "price": 1, "weight": 1})
    s.check("POST", "/v3" + p, PRODUCTS, p, 422, {"type": "physical"})
    images = item + "/images"
    s.check("POST", f"/v3{p}/{product}/images", PRODUCTS, images, 200, {
        "image_url": "https://example.com/a.png"})
    form = (b"--b\r\ncontent-disposition: form-data; name=\"image_file\"; filename=\"b.png\"\r\n"
            b"content-type: image/png\r\n\r\n\x89PNG\r\n--b--\r\n")
    image = s.check("POST", f"/v3{p}/{product}/images", PRODUCTS, images, 200, form,
                    headers={"content-type": "multipart/form-data; boundary=b"})["data"]["id"]
    s.check("GET", f"/v3{p}/{product}/images", PRODUCTS, images, 200)
    s.check("GET", f"/v3{p}/{product}/images/{image}", PRODUCTS, images + "/{image_id}", 200)
    s.check("PUT", f"/v3{p}/{product}/images/{image}", PRODUCTS, images + "/{image_id}", 200,
            {"description": "side"})
    s.check("DELETE", f"/v3{p}/{product}/images/{image}", PRODUCTS, images + "/{image_id}", 204)
    variants(s, product)
    s.check("DELETE", f"/v3{p}/{product}", PRODUCTS, item, 204)
    groups_of_products(s)


def variants(s, product):
    base, path = "/catalog/products/{product_id}/variants", f"/v3/catalog/products/{product}/variants"
    s.check("GET", path, VARIANTS, base, 200)
    variant = s.check("POST", path, VARIANTS, base, 200, {
        "sku": "SHAPE-2", "price": 3,
        "option_values": [{"option_display_name": "Colour", "label": "Red", "id": 1, "option_id": 1}],
    })["data"]["id"]
    s.check("GET", f"{path}/{variant}", VARIANTS, base + "/{variant_id}", 200)
    s.check("PUT", f"{path}/{variant}", VARIANTS, base + "/{variant_id}", 200, {"price": 4})
    # The schema of /catalog/variants forgets what may be null; the objects are those of a product.
    s.check("GET", "/v3/catalog/variants?limit=5", VARIANTS, base, 200)
    s.check("PUT", "/v3/catalog/variants", VARIANTS, base, 200, [{"id": variant, "price": 5}],
            schema_method="GET")
    s.check("DELETE", f"{path}/{variant}", VARIANTS, base + "/{variant_id}", 204)


def groups_of_products(s):
    for name, file, extra in (("brands", BRANDS, {}), ("categories", CATEGORIES, {"parent_id": 0})):
        template = f"/catalog/{name}"
        one = template + ("/{brand_id}" if name == "brands" else "/{category_id}")
        s.check("GET", f"/v3{template}", file, template, 200)
        made = s.check("POST", f"/v3{template}", file, template, 200, {"name": "Shape", **extra})
        number = made["data"]["id"]
        s.check("GET", f"/v3{template}/{number}", file, one, 200)
        s.check("PUT", f"/v3{template}/{number}", file, one, 200, {"page_title": "Shapes"})
        s.check("POST", f"/v3{template}", file, template, 409, {"name": "Shape", **extra})
        s.check("POST", f"/v3{template}", file, template, 422, {})
        s.check("DELETE", f"/v3{template}/{number}", file, one, 204)
        s.check("GET", f"/v3{template}/{number}", file, one, 404)


def orders(s):
    one = "/orders/{order_id}"
    order = s.check("GET", "/v2/orders?limit=5", ORDERS, "/orders", 200)[0]["id"]
    s.check("GET", f"/v2/orders/{order}", ORDERS, one, 200)
    s.check("GET", "/v2/orders/count", ORDERS, "/orders/count", 200)
    s.check("GET", "/v2/order_statuses", ORDERS, "/order_statuses", 200)
    s.check("GET", "/v2/order_statuses/11", ORDERS, "/order_statuses/{status_id}", 200)
    products = s.check("GET", f"/v2/orders/{order}/products", ORDERS, one + "/products", 200)
    s.check("GET", f"/v2/orders/{order}/products/{products[0]['id']}", ORDERS,
            one + "/products/{product_id}", 200)
    addresses = s.check("GET", f"/v2/orders/{order}/shipping_addresses", ORDERS,
                        one + "/shipping_addresses", 200)
    s.check("GET", f"/v2/orders/{order}/shipping_addresses/{addresses[0]['id']}", ORDERS,
            one + "/shipping_addresses/{id}", 200)
    s.check("GET", f"/v2/orders/{order}/shipments", ORDERS, one + "/shipments", 204)
    shipment = s.check("POST", f"/v2/orders/{order}/shipments", ORDERS, one + "/shipments", 201, {
        "order_address_id": addresses[0]["id"], "tracking_number": "T1",
        "items": [{"order_product_id": products[0]["id"], "quantity": 1}]})["id"]
    s.check("GET", f"/v2/orders/{order}/shipments", ORDERS, one + "/shipments", 200)
    s.check("GET", f"/v2/orders/{order}/shipments/count", ORDERS, one + "/shipments/count", 200)
    s.check("GET", f"/v2/orders/{order}/shipments/{shipment}", ORDERS,
            one + "/shipments/{shipment_id}", 200)
    s.check("PUT", f"/v2/orders/{order}/shipments/{shipment}", ORDERS,
            one + "/shipments/{shipment_id}", 200, {"tracking_number": "T2"})
    s.check("DELETE", f"/v2/orders/{order}/shipments/{shipment}", ORDERS,
            one + "/shipments/{shipment_id}", 204)
    s.check("PUT", f"/v2/orders/{order}", ORDERS, one, 200, {"status_id": 10})
    # The file documents 200; the platform answers 201 as for every V2 creation.
    made = s.check("POST", "/v2/orders", ORDERS, "/orders", 201, {
        "billing_address": {"first_name": "Jane", "email": "jane@example.com", "zip": "12345"},
        "products": [{"name": "Gift", "quantity": 1, "price_inc_tax": 5, "price_ex_tax": 5}],
    }, schema_status=200)
    s.check("DELETE", f"/v2/orders/{made['id']}", ORDERS, one, 204)
    refunds = one + "/payment_actions/refunds"
    s.check("POST", f"/v3/orders/{order}/payment_actions/refunds", ORDERS_V3, refunds, 201, {
        "items": [{"item_type": "PRODUCT", "item_id": products[0]["id"], "quantity": 1, "reason": "Not the right one"}],
        "payments": [{"provider_id": "cod", "amount": 1.5, "offline": True}]})
    s.check("GET", f"/v3/orders/{order}/payment_actions/refunds", ORDERS_V3, refunds, 200)


def people(s):
    t = "/customers"
    for query in ("", "?limit=3", "?include=addresses,storecredit,attributes,formfields&limit=3"):
        s.check("GET", "/v3/customers" + query, CUSTOMERS, t, 200)
    s.check("GET", "/v3/customers/addresses", CUSTOMERS, "/customers/addresses", 200)
    who = {"email": "shape@example.com", "first_name": "Sha", "last_name": "Pe"}
    made = s.check("POST", "/v3/customers", CUSTOMERS, t, 200, [who])["data"][0]["id"]
    s.check("POST", "/v3/customers", CUSTOMERS, t, 422, [who])
    s.check("POST", "/v3/customers", CUSTOMERS, t, 413, [who] * 11)
    s.check("PUT", "/v3/customers", CUSTOMERS, t, 200, [{"id": made, "company": "Shapes"}])
    s.check("DELETE", f"/v3/customers?id:in={made}", CUSTOMERS, t, 204)
    g = "/customer_groups"
    s.check("GET", "/v2" + g, GROUPS, g, 200)
    s.check("GET", f"/v2{g}/count", GROUPS, g + "/count", 200)
    # 201 for the reason given at orders.
    group = s.check("POST", "/v2" + g, GROUPS, g, 201, {"name": "Shapes"}, schema_status=200)["id"]
    s.check("GET", f"/v2{g}/{group}", GROUPS, g + "/{customer_group_id}", 200)
    s.check("PUT", f"/v2{g}/{group}", GROUPS, g + "/{customer_group_id}", 200, {"name": "More"})
    s.check("DELETE", f"/v2{g}/{group}", GROUPS, g + "/{customer_group_id}", 204)


def carts(s):
    item = {"line_items": [{"product_id": 101, "quantity": 2}]}
    cart = s.check("POST", "/v3/carts", CARTS, "/carts", 201, item)["data"]["id"]
    one = "/carts/{cartId}"
    s.check("GET", f"/v3/carts/{cart}", CARTS, one, 200)
    s.check("GET", "/v3/carts/none", CARTS, one, 404)
    s.check("PUT", f"/v3/carts/{cart}", CARTS, one, 201, {"customer_id": 1})
    s.check("PUT", f"/v3/carts/{cart}", CARTS, one, 409, {"customer_id": 1, "version": 99})
    lines = s.check("POST", f"/v3/carts/{cart}/items", CARTS, one + "/items", 201, {
        "line_items": [{"product_id": 102, "quantity": 1}]})["data"]["line_items"]["physical_items"]
    line = one + "/items/{itemId}"
    s.check("PUT", f"/v3/carts/{cart}/items/{lines[0]['id']}", CARTS, line, 200, {
        "line_item": {"product_id": 101, "quantity": 3}})
    # The file leaves the envelope out here, and here only.
    s.check("DELETE", f"/v3/carts/{cart}/items/{lines[0]['id']}", CARTS, one, 200,
            schema_method="GET")
    s.check("POST", f"/v3/carts/{cart}/redirect_urls", CARTS, one + "/redirect_urls", 201, {})
    s.check("DELETE", f"/v3/carts/{cart}/items/{lines[1]['id']}", CARTS, line, 204)


def stock_and_store(s):
    s.check("GET", "/v3/inventory/items?limit=5", INVENTORY, "/inventory/items", 200)
    change = {"reason": "count", "items": [{"location_id": 1, "variant_id": 1001, "quantity": 7}]}
    relative, absolute = "/inventory/adjustments/relative", "/inventory/adjustments/absolute"
    s.check("POST", "/v3" + relative, INVENTORY, relative, 200, change)
    s.check("PUT", "/v3" + absolute, INVENTORY, absolute, 200, change)
    s.check("PUT", "/v3" + absolute, INVENTORY, absolute, 422, {"items": []})
    s.check("GET", "/v3/channels", CHANNELS, "/channels", 200)
    s.check("GET", "/v3/channels/1", CHANNELS, "/channels/{channel_id}", 200)
    s.check("GET", "/v3/channels/99", CHANNELS, "/channels/{channel_id}", 404)
    s.check("GET", "/v2/store", STORE, "/store", 200)
    s.check("GET", "/v2/time", STORE, "/time", 200)


def hooks(s):
    one = "/hooks/{webhook_id}"
    hook = {"scope": "store/order/created", "destination": "https://shapes.example/in",
            "headers": {"x-secret": "1"}}
    made = s.check("POST", "/v3/hooks", HOOKS, "/hooks", 200, hook)["data"]["id"]
    s.check("POST", "/v3/hooks", HOOKS, "/hooks", 422, hook)
    s.check("GET", "/v3/hooks", HOOKS, "/hooks", 200)
    s.check("GET", "/v3/hooks/admin", HOOKS, "/hooks/admin", 200)
    s.check("PUT", "/v3/hooks/admin", HOOKS, "/hooks/admin", 204, {"emails": ["a@example.com"]})
    s.check("GET", f"/v3/hooks/{made}", HOOKS, one, 200)
    s.check("GET", "/v3/hooks/1", HOOKS, one, 404)
    s.check("PUT", f"/v3/hooks/{made}", HOOKS, one, 200, {"is_active": False})
    s.check("DELETE", f"/v3/hooks/{made}", HOOKS, one, 200)


def main():
    if len(sys.argv) != 3:
        print(__doc__)
        sys.exit(2)
    url, folder = sys.argv[1:]
    if not Path(folder).is_dir():
        print(f"missing: {folder}, the folder with BigCommerce's OpenAPI files")
        sys.exit(2)
    sandbox = Sandbox(url, Specification(folder))
    for part in (catalogue, orders, people, carts, stock_and_store, hooks):
        part(sandbox)
    print(f"{sandbox.calls} calls, {sandbox.failures} differ")
    sys.exit(1 if sandbox.failures else 0)


main()
