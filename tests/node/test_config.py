"""A node starts with sound settings or not at all, and says everything that is wrong at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from airline_node import config
from airline_node.config import Address, ConfigTrouble, read

SOUND = {
    "PASSCOM_CARRIER": "AN",
    "PASSCOM_LISTEN": "127.0.0.1:8101",
    "PASSCOM_PEER_LISTEN": "[::1]:8201",
    "PASSCOM_PEERS": "JG=https://jangada.example:8202, IP=https://10.0.0.3:8203/",
    "PASSCOM_TLS_CA": "/certs/ca.pem",
    "PASSCOM_TLS_CERT": "/certs/AN.pem",
    "PASSCOM_TLS_KEY": "/certs/AN.key",
}
REQUIRED = sorted(SOUND)


def test_a_node_is_described_by_its_environment_alone() -> None:
    told = read(SOUND | {"PASSCOM_DATA": "/data", "PATH": "/bin"})
    assert told.carrier == "AN"
    assert told.listen == Address("127.0.0.1", 8101)
    assert str(told.peer_listen) == "[::1]:8201"
    assert told.peers == {"JG": "https://jangada.example:8202", "IP": "https://10.0.0.3:8203"}
    assert (told.tls_ca, told.tls_key) == (Path("/certs/ca.pem"), Path("/certs/AN.key"))
    assert told.journal == "/data/ledger.sqlite"


def test_what_may_be_left_out_has_a_safe_meaning() -> None:
    told = read(SOUND | {"PASSCOM_JOURNAL": ""})
    assert told.data == Path(".passcom/AN")
    assert told.journal == ".passcom/AN/ledger.sqlite"
    assert (told.operator_token, told.auditor_token) == ("", "")


def test_where_travellers_see_the_sites_is_configured_and_never_guessed_from_a_request() -> None:
    told = read(SOUND | {"PASSCOM_SITES": "AN=https://an.example/,JG=http://127.0.0.1:8102", "PASSCOM_PROXIES": "::1"})
    assert told.sites == {"AN": "https://an.example", "JG": "http://127.0.0.1:8102"}
    assert told.site == "https://an.example"
    assert told.proxies == {"::1"}
    assert read(SOUND).site == "http://127.0.0.1:8101"


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(ConfigTrouble) as trouble:
        read({"PASSCOM_TLS_CA": ""})
    lines = str(trouble.value).splitlines()[1:]
    assert sorted(line.split()[0] for line in lines) == REQUIRED
    assert all(f"for example {line.split()[0]}=" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PASSCOM_CARRIER", "XX", "no carrier of this network (AN, JG, IP)"),
        ("PASSCOM_LISTEN", "8101", "not host:port"),
        ("PASSCOM_LISTEN", "localhost:0", "not host:port"),
        ("PASSCOM_LISTEN", "localhost:65536", "not host:port"),
        ("PASSCOM_PEER_LISTEN", "::1:8201", "not host:port"),
        ("PASSCOM_PEERS", "https://10.0.0.3:8203", "not CARRIER=https://host:port"),
        ("PASSCOM_PEERS", "JG", "not CARRIER=https://host:port"),
        ("PASSCOM_PEERS", "JG=http://10.0.0.3:8203", "over TLS only"),
        ("PASSCOM_PEERS", "JG=https://10.0.0.3:8203/node", "not host:port"),
        ("PASSCOM_PEERS", "JG=https://me:secret@10.0.0.3:8203", "not host:port"),
        ("PASSCOM_PEERS", "JG=https://a:1,JG=https://b:1", "JG is named twice"),
        ("PASSCOM_PEERS", "JG=https://a:1,AN=https://b:1", "AN is this node's own carrier"),
        ("PASSCOM_PEER_LISTEN", "127.0.0.1:8101", "need a port each"),
        ("PASSCOM_JOURNAL", "mysql://host/x", "not a postgresql:// address"),
        ("PASSCOM_OPERATOR_TOKEN", "short", "not 16 to 200"),
        ("PASSCOM_AUDITOR_TOKEN", "sixteen letters and a blank", "not 16 to 200"),
        ("PASSCOM_SITES", "AN", "not CARRIER=https://host"),
        ("PASSCOM_SITES", "AN=https://an.example/site", "without a path"),
        ("PASSCOM_SITES", "AN=javascript:alert(1)", "not https://host"),
        ("PASSCOM_SITES", "AN=https://me:secret@an.example", "not https://host"),
        ("PASSCOM_SITES", "JG=https://jg.example", "this node's own carrier, is not named"),
        ("PASSCOM_PROXIES", "proxy.example", "name network addresses"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_wrong(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigTrouble) as trouble:
        read(SOUND | {name: value})
    [line] = str(trouble.value).splitlines()[1:]
    assert line.strip().startswith(name)
    assert said in line


def test_a_misspelt_setting_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(ConfigTrouble, match=r"'PASSCOM_PEER' is no setting; did you mean PASSCOM_PEERS\?"):
        read(SOUND | {"PASSCOM_PEER": "JG=https://a:1"})


def test_an_auditor_is_no_operator() -> None:
    with pytest.raises(ConfigTrouble, match="every auditor would be an operator"):
        read(SOUND | {"PASSCOM_OPERATOR_TOKEN": "a" * 16, "PASSCOM_AUDITOR_TOKEN": "a" * 16})


def test_no_secret_is_repeated_to_whoever_reads_the_log() -> None:
    secrets = {"PASSCOM_JOURNAL": "postgresql://an:hunter2@db/an", "PASSCOM_OPERATOR_TOKEN": "a-token-for-operators"}
    told = read(SOUND | secrets)
    assert "hunter2" not in repr(told)
    assert "a-token" not in repr(told)
    with pytest.raises(ConfigTrouble) as trouble:
        read(SOUND | {"PASSCOM_JOURNAL": "mysql://an:hunter2@db/an", "PASSCOM_OPERATOR_TOKEN": "a-token for"})
    assert "hunter2" not in str(trouble.value)
    assert "a-token" not in str(trouble.value)


def test_a_wrong_value_is_repeated_short_and_without_control_characters() -> None:
    with pytest.raises(ConfigTrouble) as trouble:
        read(SOUND | {"PASSCOM_CARRIER": "\x1b[31m" + "X" * 10_000})
    assert all(line.isprintable() and len(line) < 300 for line in str(trouble.value).splitlines())


def test_every_example_is_sound() -> None:
    read({name: variable.example for name, variable in config.VARIABLES.items()})


def test_a_node_that_signs_its_log_is_told_its_key_and_everybody_s() -> None:
    keys = {"PASSCOM_SIGNING_KEY": "/keys/AN.signing-key", "PASSCOM_LOG_KEYS": "/keys/log-keys"}
    told = read(SOUND | keys)
    assert (told.signing_key, told.log_keys) == (Path("/keys/AN.signing-key"), Path("/keys/log-keys"))
    assert read(SOUND).signing_key is None
    for name in keys:
        with pytest.raises(ConfigTrouble, match="is missing: a node that signs its log needs both"):
            read(SOUND | {name: keys[name]})


def test_no_node_starts_where_an_assert_would_not_stop_it() -> None:
    ran = subprocess.run((sys.executable, "-O", "-m", "airline_node.serve"), capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (2, f"{config.ASSERTS_WANTED}\n")
