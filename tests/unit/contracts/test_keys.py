import os
import threading
import time
from pathlib import Path

import pytest

from contracts.errors import UsageError
from contracts.keys import create_keys, current_key_id, keep_secret, read_key, read_secret, write_secret
from contracts.settings import Settings


def settings_at(home: Path, **more: str) -> Settings:
    return Settings.load({"MIZAN_HOME": str(home), **more}, folder=home)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_init_makes_two_keys_that_only_the_owner_can_read(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    create_keys(settings)
    transport, platform = read_key(settings.transport_key_file), read_key(settings.platform_key_file)
    assert len(transport) == len(platform) == 32
    assert transport != platform
    assert (mode(settings.keys), mode(settings.transport_key_file), mode(settings.platform_key_file)) == (
        0o700,
        0o600,
        0o600,
    )
    assert current_key_id(settings) == "t1"


def test_making_the_keys_again_changes_nothing(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    assert len(create_keys(settings)) == 3
    before = {path: path.read_bytes() for path in settings.keys.iterdir()}
    assert create_keys(settings) == []
    assert {path: path.read_bytes() for path in settings.keys.iterdir()} == before


def test_a_key_file_the_configuration_names_is_never_made_up(tmp_path: Path) -> None:
    settings = settings_at(tmp_path, MIZAN_TRANSPORT_KEY_FILE=str(tmp_path / "theirs.key"))
    with pytest.raises(UsageError, match="not there"):
        create_keys(settings)
    assert not (tmp_path / "theirs.key").exists()


def test_the_key_id_stands_beside_its_key(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    create_keys(settings)
    (settings.keys / "transport.key.id").write_text("t2\n")
    assert current_key_id(settings) == "t2"


@pytest.mark.parametrize("permissions", [0o640, 0o604, 0o660, 0o644])
def test_a_key_others_can_read_is_refused(tmp_path: Path, permissions: int) -> None:
    write_secret(tmp_path / "a.key", "ab" * 32)
    (tmp_path / "a.key").chmod(permissions)
    with pytest.raises(UsageError, match="read by others"):
        read_key(tmp_path / "a.key")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_refused(tmp_path: Path) -> None:
    write_secret(tmp_path / "a.key", "ab" * 32)
    os.chown(tmp_path / "a.key", 65534, 65534)
    with pytest.raises(UsageError, match="belongs to user 65534"):
        read_key(tmp_path / "a.key")


@pytest.mark.parametrize("text", ["", "ab" * 31, "ab" * 33, "zz" * 32, "ab" * 16 + "\n" + "ab" * 15])
def test_a_file_that_holds_no_key_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    write_secret(tmp_path / "a.key", text)
    with pytest.raises(UsageError) as refusal:
        read_key(tmp_path / "a.key")
    assert not text or text not in str(refusal.value)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    write_secret(tmp_path / "a.key", "ab" * 32)
    (tmp_path / "link.key").symlink_to(tmp_path / "a.key")
    with pytest.raises(UsageError, match="cannot read"):
        read_key(tmp_path / "link.key")


def test_a_missing_key_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        read_key(tmp_path / "a.key")
    assert "mizan init" in (refusal.value.hint or "")


def test_writing_a_secret_over_a_link_replaces_the_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("old")
    (tmp_path / "secret").symlink_to(tmp_path / "elsewhere")
    write_secret(tmp_path / "secret", "new")
    assert (tmp_path / "elsewhere").read_text() == "old"
    assert read_secret(tmp_path / "secret") == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "secret"]


def test_a_secret_that_is_there_is_kept(tmp_path: Path) -> None:
    assert keep_secret(tmp_path / "secret", lambda: "first")
    assert not keep_secret(tmp_path / "secret", lambda: "second")
    assert read_secret(tmp_path / "secret") == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_link_that_is_swapped_in_again_and_again_is_never_followed(tmp_path: Path) -> None:
    """Of a check by name and an opening by name, one link in a few thousand would slip between the two."""
    path, other = tmp_path / "a.key", tmp_path / "other.key"
    write_secret(other, "the secret of another")
    ends = threading.Event()

    def swap() -> None:
        while not ends.is_set():
            link = tmp_path / "link"
            link.symlink_to(other)
            link.replace(path)
            write_secret(path, "its own")

    write_secret(path, "its own")
    swapping = threading.Thread(target=swap)
    swapping.start()
    read, refused = set(), 0
    try:
        deadline = time.monotonic() + 20
        while (refused < 20 or not read) and time.monotonic() < deadline:
            try:
                read.add(read_secret(path))
            except UsageError:
                refused += 1
    finally:
        ends.set()
        swapping.join()
    assert read == {"its own"}
    assert refused >= 20


def test_a_pipe_in_a_key_s_place_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.key", 0o600)
    with pytest.raises(UsageError, match="not a plain file"):
        read_secret(tmp_path / "a.key")
