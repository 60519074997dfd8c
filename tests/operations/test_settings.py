"""Settings from three sources, each refusal with its place and its cure, and the page that tells them. # M54"""

import argparse
import tomllib
from pathlib import Path

import pytest

from exchange.operations import reference
from exchange.operations.loading import SettingsError, add_flags, load, merged
from exchange.operations.serving import options_of
from exchange.operations.settings import SCHEMAS, KeeperSettings, ServeSettings
from exchange.session.limits import Rate
from exchange.shell import gateway
from exchange.shell.serve import LEAVE_S, Options
from journal import SqliteSettings

ROOT = Path(__file__).resolve().parents[2]


def said(schema, *arguments: str):
    """The settings of a command line."""
    parser = argparse.ArgumentParser()
    flags = add_flags(parser, schema)
    return load(schema, parser.parse_args(arguments), flags)


@pytest.fixture
def file(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "venue.toml"
        path.write_text(text)
        return path

    return write


def test_a_flag_outdoes_the_environment_and_that_the_file(file, monkeypatch):
    path = str(file('[gateway]\nport = 1\nping_s = 5\nhost = "::1"\n[log.levels]\n"exchange.shell.sender" = "debug"\n'))
    monkeypatch.setenv("VERBATIM_SERVE__GATEWAY__PORT", "2")
    monkeypatch.setenv("VERBATIM_SERVE__GATEWAY__PING_S", "6")
    found = said(ServeSettings, "--config", path, "--port", "3", "--log.levels", "journal=info")
    assert (found.gateway.port, found.gateway.ping_s, found.gateway.host) == (3, 6.0, "::1")
    assert found.log.levels == {"exchange.shell.sender": "debug", "journal": "info"}


def test_what_nobody_says_is_what_the_parts_have_by_themselves():
    """The schema repeats defaults of the parts; the two must not drift apart."""
    assert options_of(ServeSettings()) == Options(
        Path("var/venue.journal"), edge=gateway.Settings(), storage=SqliteSettings(), leave_s=LEAVE_S
    )


def test_everything_that_is_said_reaches_the_parts(file):
    """Each number of the schema, moved by one, moves the options; what is no option goes elsewhere and is named here."""
    elsewhere = {"metrics.port", "stop.force_s"}
    plain = options_of(ServeSettings())
    for section, fields in reference.sections(ServeSettings):
        for name, info in fields.items():
            if (
                isinstance(info.default, int | float)
                and not isinstance(info.default, bool)
                and f"{section}.{name}" not in elsewhere
            ):
                moved = merged(ServeSettings, None, {section: {name: info.default + 1}})
                assert options_of(moved) != plain, (section, name)
    told = merged(
        ServeSettings,
        file(
            '[venue]\njournal = "j"\nchain = "http://x"\ntaker_delay_ms = 3\n[prices]\nstreams = "s"\n'
            '[gateway]\nhost = "h"\ncertificate = "c"\nprivate_key = "k"\n[storage]\nwal_mib_max = 4\n'
            "[limits]\ncancels_max = 7\norders_free = 8\n[costs]\nquote = 9\n"
        ),
        {},
    )
    options = options_of(told)
    assert options == Options(
        Path("j"), "http://x", "h", 0, 3_000_000, Path("s"), None, Path("c"), Path("k"), options.edge, options.storage
    )
    limits = options.edge.limits
    assert (limits.cancels, limits.order_to_trade.free, limits.costs.quote) == (Rate(7, 10_000), 8, 9)
    assert options.storage.wal_bytes_max == 4 << 20


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[gateway]\nprot = 1\n", "gateway.prot is no setting; the nearest is gateway.port"),
        ("[lgo]\nlevel = 1\n", "lgo.level is no setting; the nearest is log.level"),
        ("journal = 1\n", "journal is no setting"),
        ("[gateway]\nport = 65536\n", "gateway.port: Input should be less than or equal to 65535 (port to listen on"),
        ("[gateway]\nbody_s = nan\n", "gateway.body_s"),
        ("[venue]\ntaker_delay_ms = 0.5\n", "venue.taker_delay_ms"),
        ('[gateway]\ncertificate = "c"\n', "certificate and private_key go together"),
        ('[prices]\nsimulate = 1\nstreams = "s"\n', "streams and simulate exclude each other"),
        ('[log]\nlevel = "loud"\n', "log.level: Input should be 'debug'"),
        ('[log.levels]\njournal = "loud"\n', "log.levels.journal"),
        ("[gateway\n", "Expected ']'"),
    ],
)
def test_a_file_is_refused_by_name(file, text, sentence):
    path = file(text)
    with pytest.raises(SettingsError) as refused:
        merged(ServeSettings, path, {})
    assert str(refused.value).startswith(f"{path}: ")
    assert sentence in str(refused.value)


def test_every_fault_has_its_own_line_and_source(file, monkeypatch):
    monkeypatch.setenv("VERBATIM_SERVE__STORAGE__BUSY_S", "-1")
    path = file('[gateway]\nport = "x"\nbody_s = 0\n')
    with pytest.raises(SettingsError) as refused:
        merged(ServeSettings, path, {"gateway": {"body_s": "0"}})
    starts = [line.split(": Input")[0] for line in str(refused.value).splitlines()]
    assert starts == [f"{path}: gateway.port", "flag: gateway.body_s", "environment: storage.busy_s"]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("VERBATIM_SERVE__GATEWAY__PROT", "1", "the nearest is VERBATIM_SERVE__GATEWAY__PORT"),
        ("VERBATIM_SERVE__GATEWAY", "{}", "is no setting"),
        ("VERBATIM_SERVE__LOG__LEVELS", "{", "log"),
    ],
)
def test_the_environment_is_refused_by_name(monkeypatch, name, value, sentence):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=r"^environment: ") as refused:
        merged(ServeSettings, None, {})
    assert sentence in str(refused.value)


def test_variables_of_other_commands_are_let_pass(monkeypatch):
    monkeypatch.setenv("VERBATIM_KEEPER__CHORES__RPC", "http://x")
    monkeypatch.setenv("VERBATIM_SIGNER_PASSWORD", "p")
    assert merged(ServeSettings, None, {}) == ServeSettings()


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(SettingsError, match=r"gone\.toml"):
        merged(ServeSettings, Path("gone.toml"), {})


def test_a_keeper_says_what_it_misses_and_takes_flags():
    with pytest.raises(SettingsError) as refused:
        said(KeeperSettings, "--rpc", "http://x")
    assert [line.split(":")[1].strip() for line in str(refused.value).splitlines()] == [
        "chores.manifest",
        "chores.key_file",
    ]
    chores = said(KeeperSettings, "--rpc", "u", "--manifest", "m", "--key-file", "k", "--once").chores
    assert (chores.rpc, chores.manifest, chores.key_file, chores.once) == ("u", Path("m"), Path("k"), True)


def test_the_page_is_the_code_s():
    assert (ROOT / "docs" / "SETTINGS.md").read_text() == reference.page()


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_example_says_the_defaults(name, tmp_path):
    path = tmp_path / "example.toml"
    path.write_text(reference.example(name))
    values = tomllib.loads(path.read_text())
    if name == "serve":
        assert merged(SCHEMAS[name], path, {}) == ServeSettings()
    else:
        assert values["chores"] == {"every": 12.0, "once": False}


def test_every_setting_says_what_it_is():
    for schema in SCHEMAS.values():
        for section, fields in reference.sections(schema):
            assert all(info.description for info in fields.values()), section
