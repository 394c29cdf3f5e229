"""deploy/certificates: what is no name is told so, and a certificate of no use is refused before anybody is given it."""

import datetime as dt
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.stack import DEPLOY

NAME = "telecare.example"


def certificates(*arguments: object) -> subprocess.CompletedProcess[str]:
    argv = [str(DEPLOY / "certificates"), *map(str, arguments)]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (f"https://{NAME}", "is a URL"),
        (f"{NAME}:8883", "has a port"),
        ("10.0.0.300", "is neither an address nor a name"),
        ("two names", "is no name"),
        ("", "is no name"),
    ],
)
def test_what_is_no_name_is_refused_by_name_and_nothing_is_made(name: str, says: str, tmp_path: Path) -> None:
    for arguments in (("--names", NAME, name), (tmp_path / "tls", NAME, name)):
        refused = certificates(*arguments)
        assert (refused.returncode, says in refused.stderr, name in refused.stderr) == (1, True, True), refused
    assert list((tmp_path / "tls").glob("*")) == []


def test_those_of_a_trial_are_of_use_under_each_of_their_names(tmp_path: Path) -> None:
    addresses = ("192.0.2.7", "2001:db8::7")
    assert certificates(tmp_path, NAME, *addresses).returncode == 0
    for name in (NAME, *addresses):
        of_use = certificates("--check", tmp_path / "broker.crt", tmp_path / "authority.crt", "another.example", name)
        assert (of_use.returncode, of_use.stderr) == (0, ""), name
    assert certificates("--check", tmp_path / "broker.crt").returncode == 2


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("another name", rf"is not for {NAME}, but for: +DNS:another\.example"),
        ("ended", "has ended, on "),
        ("without its chain", "is not trusted by this host: error 20 .* It needs its chain"),
        ("another's key", "is not the key of"),
        ("nothing in it", "is no certificate"),
    ],
)
def test_a_certificate_of_no_use_is_refused_and_why(fault: str, says: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    host = "another.example" if fault == "another name" else NAME
    good_for = dt.timedelta(hours=-1) if fault == "ended" else dt.timedelta(days=1)
    certificate, key = authority.issue("http", host, good_for=good_for)
    trusted = authority.certificate if fault != "without its chain" else tmp_path / "none.crt"
    if fault == "another's key":
        shutil.copy(authority.issue("other", host)[1], key)
    if fault == "nothing in it":
        certificate.write_text("")
    refused = certificates("--check", certificate, trusted, NAME)
    assert refused.returncode == 1
    assert re.search(says, refused.stderr), refused.stderr
    assert str(certificate) in refused.stderr


def test_who_installs_looks_at_names_and_certificates_before_anything_is_replaced() -> None:
    script = (DEPLOY / "debian" / "install").read_text()
    names, looked, replaced = (
        script.index(each) for each in ('/certificates" --names', '/certificates" --check', 'step "Prometheus"')
    )
    assert max(names, looked) < replaced


@pytest.mark.skipif(os.geteuid() != 0, reason="it asks for root")
def test_the_installed_host_trusts_whom_its_settings_name_and_takes_one_of_the_names_in_them(tmp_path: Path) -> None:
    """deploy/debian/certificates: with its paths on a host, and nowhere near this one's."""
    authority, tls = Authority(tmp_path), tmp_path / "tls"
    tls.mkdir()
    shutil.copy(DEPLOY / "certificates", tmp_path)
    script = (DEPLOY / "debian" / "certificates").read_text().replace("/etc/telecare", str(tmp_path))
    (tmp_path / "sbin").mkdir()
    (tmp_path / "sbin" / "telecare-certificates").write_text(script)

    def check(*names: str) -> str:
        argv = ["bash", f"{tmp_path}/sbin/telecare-certificates", "--check", *names]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
        assert (done.returncode == 0) == (done.stderr == "")
        return done.stderr

    def settings(trust: str) -> None:
        listeners = f"https://127.0.0.1?name={NAME}&trust={trust},mqtts://127.0.0.1?name=broker.example&trust={trust}"
        (tmp_path / "telecare.env").write_text(
            f"TELECARE_PUBLIC_URL=https://{NAME}\nTELECARE_WATCH_LISTENERS='{listeners}'\n"
        )

    settings("/nowhere")
    for server, name in (("http", NAME), ("broker", "broker.example")):
        for made, to in zip(authority.issue(server, name), (f"{server}.crt", f"{server}.key"), strict=True):
            shutil.copy(made, tls / to)
    assert "http.crt is not trusted by this host" in check()
    settings(str(authority.certificate))
    assert check() == ""
    assert check("another.example") == "", "what it was installed with still counts"
    for made, to in zip(authority.issue("other", "other.example"), ("broker.crt", "broker.key"), strict=True):
        shutil.copy(made, tls / to)
    assert "broker.crt is not for" in check("another.example")
    assert check("other.example") == ""
