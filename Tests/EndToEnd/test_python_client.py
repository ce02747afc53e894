"""Two Python clients of BigCommerce's do a service's whole work through the gateway over TLS, while the store throttles and
fails at random, and the store ends with what they meant: everything there once, no write doubled.

`bigcommerce`, the official one, takes host and token. `bigc` takes a token only; its host is `api.bigcommerce.com`, so the
name is made to lead to the gateway, as an entry in a container's hosts file does.
"""
import collections
import contextlib
import json
import os
import time

import pytest
from deployment import count, deployment, request, self_signed, trusting

STORES = {"bigcommerce": "demo1234", "bigc": "store0002"}
PUBLIC_NAME = "api.bigcommerce.com"
EACH = count(12, 120)
SEED = 20
# Every kind of trouble for its share of the calls. A write that a fault carries out happens although its answer is lost.
TROUBLE = [
    {"kind": "too_many_requests", "reset_ms": 200, "share": 0.03},
    {"kind": "too_many_requests", "rate_limit_headers": False, "share": 0.02},
    {"kind": "status", "status": 503, "headers": {"Retry-After": "1"}, "share": 0.02},
    {"kind": "status", "status": 502, "share": 0.02},
    {"kind": "reset", "share": 0.02},
    {"kind": "reset", "share": 0.04, "carry_out": True},
    {"kind": "close", "at": "before", "share": 0.04},
    {"kind": "close", "at": "head", "share": 0.04},
    {"kind": "truncate", "share": 0.04},
    {"kind": "slow", "bytes": 97, "every_ms": 5, "share": 0.05},
    {"kind": "delay", "delay_ms": 300, "share": 0.05},
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """A deployment that speaks TLS under the name that clients expect."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key_file = self_signed(folder, f"DNS:localhost,IP:127.0.0.1,DNS:{PUBLIC_NAME}")
    for path in (folder, certificate, key_file):
        os.chmod(path, 0o755)
    with deployment(start=False, stores=2, settings={
            "LATCHKEY_INTERNAL_TLS_CERT": str(certificate), "LATCHKEY_INTERNAL_TLS_KEY": str(key_file)}) as running:
        running.certificate = certificate
        running.start(wait=False)
        running.await_ready_over_tls(certificate)
        running.bootstrap(tls=trusting(certificate))
        for store in STORES.values():
            running.install(store)
        yield running


@pytest.fixture
def calm(gateway):
    gateway.control("DELETE", "/faults")
    yield gateway
    gateway.control("DELETE", "/faults")


def troubled(gateway, store):
    """From now on the store has 40 calls in two seconds, and fails."""
    gateway.control("PUT", f"/quota/{store}", {"limit": 40, "window_ms": 2000})
    gateway.control("DELETE", "/requests")
    # One answer never comes, and its write has happened.
    gateway.fault("hang", store=store, method="POST", path="/v2/orders", skip=2, times=1, carry_out=True)
    for number, trouble in enumerate(TROUBLE):
        gateway.fault(**trouble, store=store, seed=SEED + number)


class Official:
    """The official client; what it has no class for it calls by its raw requests."""

    def __init__(self, gateway, store, key):
        import bigcommerce.api
        import bigcommerce.connection

        host = f"localhost:{gateway.internal}"
        self.api = bigcommerce.api.BigcommerceApi(client_id=gateway.client_id, store_hash=store, access_token=key)
        self.v3 = bigcommerce.connection.OAuthConnection(
            gateway.client_id, store, key, host, api_path="/stores/{}/v3/{}")
        self.v3.timeout = self.api.connection.timeout = 4

    def close(self):
        self.v3._session.close()
        self.api.connection._session.close()

    def uncertain(self, failure):
        import bigcommerce.exception
        import requests
        return isinstance(failure, (requests.RequestException, bigcommerce.exception.ServerException,
                                    bigcommerce.exception.RateLimitingException))

    def listed(self, path, **query):
        return self.v3.get(path, **query)["data"]

    @staticmethod
    def all(resource, **query):
        found = resource.all(limit=250, **query)
        # An empty V2 list is a 204, which this client takes for an object.
        return found if isinstance(found, list) else []

    def product_named(self, name):
        return self.listed("catalog/products", name=name)

    def create_product(self, body):
        return self.v3.create("catalog/products", body)["data"]

    def update_product(self, product, body):
        return self.v3.update("catalog/products", product, body)

    def delete_product(self, product):
        return self.v3.delete("catalog/products", product)

    def images(self, product):
        return self.listed(f"catalog/products/{product}/images")

    def add_image(self, product, body):
        return self.v3.create(f"catalog/products/{product}/images", body)

    def customers_of(self, email):
        return self.listed("customers", **{"email:in": email})

    def create_customer(self, body):
        return self.v3.create("customers", [body])["data"][0]

    def groups(self):
        return self.all(self.api.CustomerGroups)

    def create_group(self, name):
        return self.api.CustomerGroups.create(name=name)

    def orders_of(self, reference):
        return self.all(self.api.Orders, external_order_id=reference)

    def create_order(self, body):
        return self.api.Orders.create(**body)

    def update_order(self, order, body):
        return self.api.Orders.get(order).update(**body)

    def hooks_to(self, destination):
        return [hook for hook in self.all(self.api.Webhooks) if hook["destination"] == destination]

    def create_hook(self, body):
        return self.api.Webhooks.create(**body)


class Modern:
    """bigc, which asks for `api.bigcommerce.com` whatever it is told."""

    def __init__(self, gateway, store, key):
        import bigc

        self.api = bigc.BigCommerceAPI(store, key, timeout=4)

    def close(self):
        self.api.api_v3._session.close()

    def uncertain(self, failure):
        import bigc.exceptions
        return isinstance(failure, (bigc.exceptions.BigCommerceServerError, bigc.exceptions.BigCommerceNetworkError,
                                    bigc.exceptions.TooManyRequestsError))

    def product_named(self, name):
        return list(self.api.products_v3.all(params={"name": name}))

    def create_product(self, body):
        return self.api.products_v3.create(body)

    def update_product(self, product, body):
        return self.api.products_v3.update(product, body)

    def delete_product(self, product):
        return self.api.products_v3.delete(product)

    def images(self, product):
        return self.api.api_v3.get(f"/catalog/products/{product}/images")

    def add_image(self, product, body):
        return self.api.api_v3.post(f"/catalog/products/{product}/images", data=body)

    def customers_of(self, email):
        return list(self.api.customers_v3.all(params={"email:in": [email]}))

    def create_customer(self, body):
        return self.api.customers_v3.create(body)

    def groups(self):
        return list(self.api.customer_groups_v2.all())

    def create_group(self, name):
        return self.api.customer_groups_v2.create({"name": name})

    def orders_of(self, reference):
        return list(self.api.orders_v2.all(params={"external_order_id": reference}))

    def create_order(self, body):
        return self.api.orders_v2.create(body)

    def update_order(self, order, body):
        return self.api.orders_v2.update(order, body)

    def hooks_to(self, destination):
        return [hook for hook in self.api.webhooks_v3.all() if hook["destination"] == destination]

    def create_hook(self, body):
        return self.api.webhooks_v3.create(body)


class Service:
    """Repeats a read and what may be repeated; after a write of unknown outcome it looks first."""

    def __init__(self, client):
        self.client = client
        self.troubles = collections.Counter()

    def surely(self, act):
        failures = []
        for _ in range(20):
            try:
                return act()
            except Exception as failure:
                if not self.client.uncertain(failure):
                    raise
                self.note(failure)
                failures.append(repr(failure))
        raise AssertionError(f"twenty failures in a row: {failures}")

    def once(self, find, create):
        """Creates what is not there yet; returns it."""
        for _ in range(20):
            found = self.surely(find)
            if found:
                assert len(found) == 1, found
                return found[0]
            with contextlib.suppress(self.Unknown):
                return self.attempt(create)
        raise AssertionError("twenty failures in a row")

    class Unknown(Exception):
        pass

    def attempt(self, create):
        try:
            return create()
        except Exception as failure:
            if not self.client.uncertain(failure):
                raise
            self.note(failure)
            raise self.Unknown from failure

    def note(self, failure):
        """Counts a failure, and waits as long as its answer asks to."""
        self.troubles[type(failure).__name__] += 1
        answer = getattr(failure, "response", None)
        if answer is not None:
            time.sleep(float(answer.headers.get("Retry-After", 0)))


def work(client):
    """A service's work on a store; returns what failed on the way."""
    service = Service(client)
    group = service.once(lambda: [g for g in client.groups() if g["name"] == "Resellers"],
                         lambda: client.create_group("Resellers"))
    products = []
    for n in range(EACH):
        name = f"Étagère № {n}"
        products.append(service.once(
            lambda: client.product_named(name),
            lambda: client.create_product({"name": name, "sku": f"E-{n}", "type": "physical", "weight": 1, "price": n + 1})))
    for n, product in enumerate(products):
        if n % 3 == 0:
            service.surely(lambda: client.update_product(product["id"], {"price": 1000 + n}))
        elif n % 3 == 1:
            service.surely(lambda: client.delete_product(product["id"]))
        else:
            url = f"https://example.com/{n}.png"
            service.once(lambda: [i for i in client.images(product["id"]) if i["description"] == url],
                         lambda: client.add_image(product["id"], {"image_url": url, "description": url}))
    for n in range(EACH // 2):
        email = f"shopper{n}@example.com"
        customer = service.once(lambda: client.customers_of(email), lambda: client.create_customer(
            {"email": email, "first_name": "Ada", "last_name": f"Nº {n}", "customer_group_id": group["id"]}))
        order = service.once(lambda: client.orders_of(f"erp-{n}"), lambda: client.create_order({
            "customer_id": customer["id"], "external_order_id": f"erp-{n}", "status_id": 1,
            "billing_address": {"first_name": "Ada", "last_name": "L", "email": email},
            "products": [{"product_id": products[0]["id"], "quantity": n + 1}]}))
        service.surely(lambda: client.update_order(order["id"], {"status_id": 11}))
    for n in range(3):
        destination = f"https://example.com/hook/{n}"
        service.once(lambda: client.hooks_to(destination), lambda: client.create_hook({
            "scope": "store/order/created", "destination": destination, "is_active": True}))
    return service.troubles


class Truth:
    """What the store holds, asked of the sandbox itself."""

    def __init__(self, gateway, store):
        # A token of the same app, so that its hooks are seen.
        self.headers = {"X-Auth-Token": next(
            t["access_token"] for t in gateway.control("GET", "/tokens") if t["store_hash"] == store)}
        self.port, self.store = gateway.sandbox_port, store

    def all(self, path):
        rows, page = [], 1
        while True:
            mark = "&" if "?" in path else "?"
            answer = request(self.port, "GET", f"/stores/{self.store}{path}{mark}limit=250&page={page}",
                             headers=self.headers)
            assert answer.status in (200, 204), answer
            got = answer.json if answer.body else []
            got = got["data"] if isinstance(got, dict) else got
            rows += got
            if len(got) < 250:
                return rows
            page += 1


def compare(gateway, store, before):
    gateway.control("DELETE", "/faults")
    gateway.control("PUT", f"/quota/{store}", {"limit": 1_000_000})
    truth = Truth(gateway, store)
    products = {p["name"]: p for p in truth.all("/v3/catalog/products") if p["name"].startswith("Étagère")}
    assert sorted(products) == sorted(f"Étagère № {n}" for n in range(EACH) if n % 3 != 1)
    for n in range(EACH):
        if n % 3 == 1:
            continue
        product = products[f"Étagère № {n}"]
        assert (product["sku"], product["price"]) == (f"E-{n}", 1000 + n if n % 3 == 0 else n + 1)
        images = truth.all(f"/v3/catalog/products/{product['id']}/images")
        assert [i["description"] for i in images] == ([f"https://example.com/{n}.png"] if n % 3 == 2 else [])
    people = [c["email"] for c in truth.all("/v3/customers") if c["email"].startswith("shopper")]
    assert sorted(people) == sorted(f"shopper{n}@example.com" for n in range(EACH // 2))
    orders = {o["external_order_id"]: o for o in truth.all("/v2/orders") if o.get("external_order_id")}
    assert sorted(orders) == sorted(f"erp-{n}" for n in range(EACH // 2))
    for n in range(EACH // 2):
        order = orders[f"erp-{n}"]
        lines = truth.all(f"/v2/orders/{order['id']}/products")
        assert (order["status_id"], [line["quantity"] for line in lines]) == (11, [n + 1])
    assert len(truth.all("/v2/orders")) == before["orders"] + EACH // 2
    assert len(truth.all("/v2/customer_groups")) == before["groups"] + 1
    hooks = [h["destination"] for h in truth.all("/v3/hooks") if "/hook/" in h["destination"]]
    assert sorted(hooks) == [f"https://example.com/hook/{n}" for n in range(3)]


def created(gateway, store):
    """How often each thing was created: what the sandbox has carried out, whatever became of its answer."""
    return collections.Counter(
        (r["target"], r["body"]) for r in gateway.arrived(host="api", store=store)
        if r["method"] == "POST" and r["status"] < 300)


@pytest.mark.parametrize("name", STORES)
def test_a_services_work_through_trouble_ends_with_the_right_data(calm, monkeypatch, name):
    store = STORES[name]
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(calm.certificate))
    monkeypatch.setenv("BC_API_ENDPOINT", f"localhost:{calm.internal}")
    leads_to(monkeypatch, PUBLIC_NAME, calm.internal)
    # The official client lists hooks by V2, which BigCommerce's documents no longer mention.
    key = calm.service_key_over_tls(calm.certificate, [store], ["proxy", "proxy:unlisted"])
    client = {"bigcommerce": Official, "bigc": Modern}[name](calm, store, key)
    truth = Truth(calm, store)
    before = {"orders": len(truth.all("/v2/orders")), "groups": len(truth.all("/v2/customer_groups"))}
    troubled(calm, store)
    with contextlib.closing(client):
        troubles = work(client)
    hits = {json.dumps(f): f["hits"] for f in calm.control("GET", "/faults")}
    assert sum(hits.values()) > EACH, hits
    assert troubles, "some of it must have reached the service, or nothing was shown"
    doubled = {what: times for what, times in created(calm, store).items() if times > 1}
    assert doubled == {}
    compare(calm, store, before)
    print(f"{name}: {sum(hits.values())} faults met, the service saw {dict(troubles)}")


def leads_to(monkeypatch, name, port):
    """The name is the gateway's, as an entry in a hosts file makes it."""
    import urllib3.util.connection

    connect = urllib3.util.connection.create_connection

    def connecting(address, *arguments, **options):
        return connect(("127.0.0.1", port) if address == (name, 443) else address, *arguments, **options)
    monkeypatch.setattr(urllib3.util.connection, "create_connection", connecting)


def test_the_official_client_reads_and_writes(calm, monkeypatch):
    import bigcommerce.api

    store = STORES["bigcommerce"]
    monkeypatch.setenv("BC_API_ENDPOINT", f"localhost:{calm.internal}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(calm.certificate))
    api = bigcommerce.api.BigcommerceApi(
        client_id=calm.client_id, store_hash=store, access_token=calm.service_key_over_tls(calm.certificate, [store]))
    orders = api.Orders.all(limit=3)
    assert len(orders) == 3
    assert orders[0].products()
    statuses = api.OrderStatuses.all()
    assert any(status.name == "Completed" for status in statuses)
    orders[0].update(status_id=10)
    assert api.Orders.get(orders[0].id).status_id == 10
    assert api.Store.all()["id"] == store
    hook = api.Webhooks.create(scope="store/product/updated", destination="https://example.com/python", is_active=True)
    assert hook.destination == "https://example.com/python"
    assert api.CustomerGroups.create(name="Python group").name == "Python group"
