"""The search for secrets bites: whatever shows one, arguments, environment or a file, is found (checklist S8)."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults.canaries import Needles, sweep
from home_secrets import Onlooker, keeps_secrets, secrets_of

from contracts.keys import create_keys, write_secret
from contracts.settings import Settings

LIVE = "import time; time.sleep(30)"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    settings = Settings.load({"MIZAN_HOME": str(tmp_path)}, folder=tmp_path)
    create_keys(settings)
    write_secret(settings.keys / "kafka-admin.password", "a-password_of-24-letters")
    (tmp_path / "airflow").mkdir()
    write_secret(tmp_path / "airflow" / "passwords.json", json.dumps({"admin": "another-password-of-it"}))
    return tmp_path


@pytest.mark.parametrize("shown", ["argument", "environment"])
def test_a_process_that_shows_a_secret_is_noticed(home: Path, shown: str) -> None:
    needles, secret = Needles(secrets=secrets_of(home)), (home / "keys" / "platform.key").read_text().strip()
    for told in ("nothing", secret):
        onlooker = Onlooker(home)
        onlooker.start()
        call = [sys.executable, "-c", LIVE, str(home), *([told] if shown == "argument" else [])]
        process = subprocess.Popen(call, env=os.environ | ({"KEY": told} if shown == "environment" else {}))
        deadline = time.monotonic() + 20
        while not onlooker.programs and time.monotonic() < deadline:
            time.sleep(0.1)
        process.kill()
        process.wait()
        assert needles.in_bytes(onlooker.stop()) == (set() if told == "nothing" else {"platform.key"})


def test_a_secret_outside_the_files_that_keep_secrets_is_found(home: Path) -> None:
    needles = Needles(secrets=secrets_of(home))
    assert sweep(home, needles, spared=keeps_secrets) == []
    (home / "airflow" / "scheduler.log").write_text("login of admin with another-password-of-it")
    assert sweep(home, needles, spared=keeps_secrets)
