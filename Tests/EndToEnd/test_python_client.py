"""BigCommerce's own Python client works through the gateway over TLS by changing only host and token."""
import os

from deployment import deployment, self_signed, trusting

STORE = "demo1234"


def test_the_official_client(monkeypatch, tmp_path):
    import bigcommerce.api

    certificate, key_file = self_signed(tmp_path)
    for file in (certificate, key_file):
        os.chmod(file, 0o644)
    os.chmod(tmp_path, 0o755)
    with deployment(start=False, settings={
            "LATCHKEY_INTERNAL_TLS_CERT": str(certificate), "LATCHKEY_INTERNAL_TLS_KEY": str(key_file)}) as running:
        running.start(wait=False)
        running.await_ready_over_tls(certificate)
        running.bootstrap(tls=trusting(certificate))
        running.install(STORE)
        service_key = running.service_key_over_tls(certificate, [STORE])

        monkeypatch.setenv("BC_API_ENDPOINT", f"localhost:{running.internal}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        api = bigcommerce.api.BigcommerceApi(client_id=running.client_id, store_hash=STORE, access_token=service_key)

        orders = api.Orders.all(limit=3)
        assert len(orders) == 3
        assert orders[0].products()
        statuses = api.OrderStatuses.all()
        assert any(status.name == "Completed" for status in statuses)
        orders[0].update(status_id=10)
        assert api.Orders.get(orders[0].id).status_id == 10
        assert api.Store.all()["id"] == STORE
        hook = api.Webhooks.create(scope="store/product/updated", destination="https://example.com/python",
                                   is_active=True)
        assert hook.destination == "https://example.com/python"
        groups = api.CustomerGroups.create(name="Python group")
        assert groups.name == "Python group"
