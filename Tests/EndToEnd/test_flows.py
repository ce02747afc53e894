"""The flows of BigCommerce's guides, through the gateway, as curl would send them."""
import gzip
import json

import pytest

STORE = "demo1234"


@pytest.fixture(scope="module")
def api(running):
    running.install(STORE)
    key = running.service_key(stores=[STORE], abilities=["proxy", "proxy:graphql", "proxy:unlisted"])

    def call(method, path, body=None, headers=None, expect=(200, 201, 204)):
        answer = running.call(key, method, f"/stores/{STORE}{path}", body, headers)
        assert answer.status in (expect if isinstance(expect, tuple) else (expect,)), answer
        assert answer.headers["latchkey-origin"] == "upstream", answer
        assert "x-request-id" in answer.headers
        return answer

    return call


def test_products_are_listed_created_updated_and_deleted(api):
    listed = api("GET", "/v3/catalog/products?limit=3&include=variants").json
    assert len(listed["data"]) == 3 and listed["meta"]["pagination"]["per_page"] == 3
    made = api("POST", "/v3/catalog/products", {
        "name": "Latchkey mug", "type": "physical", "weight": 1, "price": 9.5}).json["data"]
    assert api("GET", f"/v3/catalog/products/{made['id']}").json["data"]["name"] == "Latchkey mug"
    changed = api("PUT", f"/v3/catalog/products/{made['id']}", {"price": 12}).json["data"]
    assert changed["price"] == 12
    assert api("DELETE", f"/v3/catalog/products/{made['id']}").status == 204
    api("GET", f"/v3/catalog/products/{made['id']}", expect=404)


def test_a_variant_and_inventory_are_updated(api):
    product = api("GET", "/v3/catalog/products?limit=1&include=variants").json["data"][0]
    variant = product["variants"][0]
    path = f"/v3/catalog/products/{product['id']}/variants/{variant['id']}"
    assert api("PUT", path, {"price": 7.25}).json["data"]["price"] == 7.25
    api("PUT", "/v3/inventory/adjustments/absolute", {"reason": "count", "items": [
        {"location_id": 1, "variant_id": variant["id"], "quantity": 42}]})


def test_orders_their_products_status_and_shipment(api):
    orders = api("GET", "/v2/orders?limit=5").json
    order = orders[0]["id"]
    products = api("GET", f"/v2/orders/{order}/products").json
    assert products
    assert api("PUT", f"/v2/orders/{order}", {"status_id": 11}).json["status_id"] == 11
    address = api("GET", f"/v2/orders/{order}/shipping_addresses").json[0]["id"]
    shipment = api("POST", f"/v2/orders/{order}/shipments", {
        "order_address_id": address, "tracking_number": "T1",
        "items": [{"order_product_id": products[0]["id"], "quantity": 1}]})
    assert shipment.status == 201


def test_customers_are_arrays_and_groups_are_v2(api):
    assert api("GET", "/v3/customers?limit=2").json["data"]
    made = api("POST", "/v3/customers", [
        {"email": "new@example.com", "first_name": "New", "last_name": "Customer"}]).json["data"][0]
    changed = api("PUT", "/v3/customers", [{"id": made["id"], "last_name": "Changed"}]).json["data"][0]
    assert changed["last_name"] == "Changed"
    assert api("GET", f"/v3/customers?id:in={made['id']}").json["data"][0]["email"] == "new@example.com"
    assert api("GET", "/v2/customer_groups").status in (200, 204)
    assert api("POST", "/v2/customer_groups", {"name": "Latchkey group"}).json["name"] == "Latchkey group"


def test_a_webhook_is_created(api):
    hook = api("POST", "/v3/hooks", {"scope": "store/order/created", "destination": "https://example.com/hook",
                                     "is_active": True}).json["data"]
    assert hook["store_hash"] == STORE
    assert hook["id"] in [h["id"] for h in api("GET", "/v3/hooks").json["data"]]


def test_images_by_url_and_by_multipart_upload(api):
    product = api("GET", "/v3/catalog/products?limit=1").json["data"][0]["id"]
    api("POST", f"/v3/catalog/products/{product}/images", {"image_url": "https://example.com/mug.png"})
    boundary, picture = "xLATCHKEYx", bytes(range(256)) * 4096
    body = (f"--{boundary}\r\nContent-Disposition: form-data; name=\"image_file\"; filename=\"mug.png\"\r\n"
            "Content-Type: image/png\r\n\r\n").encode() + picture + f"\r\n--{boundary}--\r\n".encode()
    made = api("POST", f"/v3/catalog/products/{product}/images", body,
               {"Content-Type": f"multipart/form-data; boundary={boundary}"})
    assert made.json["data"]["product_id"] == product


def test_pages_are_followed_to_the_last(api):
    seen, page = [], 1
    while True:
        answer = api("GET", f"/v3/catalog/products?limit=7&page={page}").json
        seen += [product["id"] for product in answer["data"]]
        if page >= answer["meta"]["pagination"]["total_pages"]:
            break
        page += 1
    assert len(seen) == len(set(seen)) == answer["meta"]["pagination"]["total"]


def test_graphql(api):
    answer = api("POST", "/graphql", {"query": "query { store { name } }", "variables": {}})
    assert "data" in answer.json
    api("POST", "/graphql", {"query": "query { store { name } }", "variables": None}, expect=400)


def test_the_answers_of_the_platform_pass_as_they_are(api, running):
    missing = api("GET", "/v3/catalog/products/99999999", expect=404)
    assert missing.json["status"] == 404 and "title" in missing.json
    invalid = api("POST", "/v3/catalog/products", {"price": "x"}, expect=422)
    assert invalid.json["status"] == 422 and "errors" in invalid.json
    for status in (401, 403, 429):
        body = {"status": status, "title": f"planned {status}", "type": "about:blank", "errors": {}}
        running.fault("status", store=STORE, path="/v2/time", times=1, status=status, body=body)
        assert api("GET", "/v2/time", headers={"Latchkey-Retry": "0"}, expect=status).json == body


def test_compressed_answers_pass_as_bytes(api):
    answer = api("GET", "/v3/catalog/products?limit=10", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(answer.body))["data"]) == 10


def test_an_empty_v2_list_is_204(api):
    answer = api("GET", "/v2/orders?min_id=99999999")
    assert answer.status == 204 and answer.body == b""


def test_head_has_no_body(api):
    answer = api("HEAD", "/v3/catalog/products?limit=1")
    assert answer.status == 200 and answer.body == b""
