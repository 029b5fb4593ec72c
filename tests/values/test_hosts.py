from ipaddress import ip_address

import pytest

from mssante_audit.values.hosts import is_public


@pytest.mark.parametrize(
    ("public", "addresses"),
    [
        (True, "82.64.5.5 2001:660:9::25 2a00:1450::1 ::ffff:82.64.5.5 2003::1 64:ff9c::1"),
        (False, "10.1.2.3 127.0.0.1 100.64.0.1 192.0.2.1 224.0.0.1 0.0.0.0 255.255.255.255"),
        (False, "::1 fe80::1 fc00::1 ff0e::1 2001:db8::1 3fff::1 fec0::1 5f00::1 ::ffff:10.1.2.3"),
        (False, "64:ff9b::5240:505 64:ff9b:1::1 2002:5240:505::1"),
    ],
)
def test_an_address_that_others_cannot_reach_is_not_public(public: bool, addresses: str) -> None:
    assert {text: is_public(ip_address(text)) for text in addresses.split()} == dict.fromkeys(
        addresses.split(), public
    )
