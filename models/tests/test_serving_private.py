"""Secrets of the servers: in files that only their owner can read, never in the environment that Ray's workers inherit."""

import stat

import pytest

from serving.private import PrivacyError, prepare, read_token


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_cluster_of_ones_own_gets_secrets_of_its_own():
    environment = {"MTA_SERVING_TOKEN": "clients", "RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": "known"}
    private = prepare(environment, None)
    try:
        assert "MTA_SERVING_TOKEN" not in environment and "RAY_AUTH_TOKEN" not in environment
        assert environment["RAY_AUTH_MODE"] == "token"
        assert mode(private.folder) == 0o700
        ray_token = private.folder / "ray-token"
        assert environment["RAY_AUTH_TOKEN_PATH"] == str(ray_token)
        assert [mode(path) for path in (private.token_file, ray_token)] == [0o600, 0o600]
        assert read_token(str(private.token_file)) == "clients"
        assert len(ray_token.read_text()) == 64
        # The longest socket path: 107 bytes, of which Ray's own part takes some 75.
        assert len(str(private.folder / "ray")) < 30
    finally:
        private.remove()
    assert not private.folder.exists()


def test_without_a_token_one_is_made_unless_the_server_is_open():
    first, second = prepare({}, None), prepare({}, None)
    opened = prepare({"MTA_SERVING_TOKEN": "x"}, None, is_open=True)
    try:
        tokens = [read_token(str(private.token_file)) for private in (first, second)]
        assert len(tokens[0]) >= 32 and tokens[0] != tokens[1]
        assert opened.token_file is None and read_token(None) is None
    finally:
        for private in (first, second, opened):
            private.remove()


def test_a_token_file_of_ones_own_must_be_private(tmp_path):
    file = tmp_path / "token"
    file.write_text("clients\n")
    file.chmod(0o640)
    with pytest.raises(PrivacyError, match="has mode 640: others can read"):
        prepare({"MTA_SERVING_TOKEN_FILE": str(file)}, None)
    file.chmod(0o600)
    private = prepare({"MTA_SERVING_TOKEN_FILE": str(file)}, "head:6379")
    private.remove()
    assert read_token(str(private.token_file)) == "clients"
    with pytest.raises(PrivacyError, match="is not a file"):
        prepare({"MTA_SERVING_TOKEN_FILE": str(tmp_path)}, None)
    file.write_text("\n")
    with pytest.raises(PrivacyError, match="holds no token"):
        read_token(str(file))


def test_a_cluster_of_others_gets_no_secret_by_way_of_ray():
    environment = {"MTA_SERVING_TOKEN": "clients"}
    with pytest.raises(PrivacyError, match="every machine must read the token itself"):
        prepare(environment, "head:6379")
