"""Who may ask: every way in that is not the printed address is shut."""

import pytest
from starlette.testclient import TestClient

from tests.web.conftest import BEARER, HOST, PORT, TOKEN, WRITE, client_of


@pytest.fixture
def stranger(shelf_folder) -> TestClient:
    return client_of(shelf_folder)


@pytest.mark.parametrize("path", ["/", "/api/graphs", "/api/about", "/api/openapi.json", "/assets/x.js", "/gear.svg"])
def test_nothing_is_shown_without_the_token(stranger, path):
    answer = stranger.get(path)
    assert answer.status_code == 401
    assert "address that gearscope printed" in answer.json()["error"]


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "é"])
def test_a_wrong_token_opens_nothing(stranger, token):
    assert stranger.get("/", params={"token": token}).status_code == 401
    assert stranger.get("/api/graphs", headers={"authorization": f"Bearer {token}".encode()}).status_code == 401
    stranger.cookies.set(f"gearscope_{PORT}", "wrong")
    assert stranger.get("/api/graphs").status_code == 401


def test_the_printed_address_becomes_a_cookie_that_pages_cannot_read(stranger):
    answer = stranger.get("/", params={"token": TOKEN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert stranger.get("/api/graphs").status_code == 200


def test_odd_cookies_of_other_programs_do_not_lock_anybody_out(stranger):
    odd = f'theirs={{"a": [1,2]}}; =; ;;x; gearscope_{PORT}={TOKEN}; last="'
    assert stranger.get("/api/graphs", headers={"cookie": odd}).status_code == 200
    assert stranger.get("/api/graphs", headers={"cookie": f"gearscope_{PORT + 1}={TOKEN}"}).status_code == 401


def test_the_token_is_taken_nowhere_but_at_the_door(stranger):
    assert stranger.get("/api/graphs", params={"token": TOKEN}).status_code == 401
    assert stranger.post("/", params={"token": TOKEN}, headers=WRITE).status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1:1", "127.0.0.1", "", f"127.0.0.1.evil.example:{PORT}"]
)
def test_a_name_that_was_rebound_to_this_machine_is_refused(stranger, host):
    answer = stranger.get("/api/graphs", headers=BEARER | {"host": host})
    assert answer.status_code == 421
    assert stranger.get("/", params={"token": TOKEN}, headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"LOCALHOST:{PORT}", f"[::1]:{PORT}"])
def test_the_names_of_this_machine_are_answered(stranger, host):
    assert stranger.get("/api/graphs", headers=BEARER | {"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),  # no header that only the page sends
        (WRITE | {"origin": "https://evil.example"}, 403),
        (WRITE | {"origin": "null"}, 403),
        (WRITE | {"origin": f"http://127.0.0.1:{PORT + 1}"}, 403),
        (WRITE | {"sec-fetch-site": "cross-site"}, 403),
        (WRITE | {"sec-fetch-site": "same-site"}, 403),
        (WRITE | {"origin": HOST, "sec-fetch-site": "same-origin"}, 200),
        (WRITE, 200),
    ],
)
def test_writes_of_other_origins_are_refused(shelf_folder, bench, headers, status):
    client = client_of(shelf_folder, bench, headers=BEARER)
    assert client.post("/api/trace", json={"prompt": "a b"}, headers=headers).status_code == status
    assert len(bench.asked) == (status == 200)


def test_reading_from_other_sites_is_refused(stranger):
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
        assert stranger.get("/api/graphs", headers=BEARER | {"sec-fetch-site": site}).status_code == status


def test_every_answer_forbids_foreign_content_and_frames(stranger):
    for answer in (stranger.get("/"), stranger.get("/", headers=BEARER), stranger.get("/api/graphs", headers=BEARER)):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
    assert stranger.get("/api/graphs", headers=BEARER).headers["cache-control"] == "no-store"


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(shelf_folder, bench):
    client = client_of(shelf_folder, bench, headers=BEARER | WRITE, body_bytes=1000)
    said = client.post("/api/trace", content=b"x" * 2000)
    assert said.status_code == 413
    unsaid = client.post("/api/trace", content=(b"y" * 100 for _ in range(20)))
    assert unsaid.status_code == 413
    assert "1000 bytes" in unsaid.json()["error"]
    assert bench.asked == []


def test_a_length_that_is_no_number_is_refused(stranger):
    assert stranger.post("/api/trace", headers=BEARER | WRITE | {"content-length": "-1"}).status_code == 413
