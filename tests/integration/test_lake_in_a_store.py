"""A lake in an S3-compatible store, through the real broker: exactly once by its conditional put, figures as on a disk.

The store is moto's (tests/object_store/server.py): what it proves of a store is its protocol, not its speed.
"""

import contextlib
import datetime as dt
import http.client
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from landing_stage import Stage, await_stopped, ended, topic, visit
from object_store.rig import BUCKET, PACKAGES, Store, running

from contracts.errors import Fenced, Halted, TryAgain, UsageError
from contracts.settings import Settings
from landing.drain import land
from landing.plan import Shard
from landing.rotation import rotate
from landing.verify import verify
from pipeline import steps
from pipeline.erasure import forget
from pipeline.retention import drop_old_pids
from warehouse.connection import build_connection, memory_connection, view_files
from warehouse.lake import Lake
from warehouse.lake_damage import check_lake
from warehouse.lake_files import pin
from warehouse.maintenance import compact
from warehouse.object_store import file_system
from warehouse.stored_objects import StoredObjects

sys.path.append(str(Path(__file__).parents[1] / "unit" / "landing"))
import landed_people

pytestmark = pytest.mark.integration

EACH = 60
# Said in the same way to both libraries; what a person must never read in a message or a file.
TOLD_NOWHERE = ("AKIATESTSONLY", "not-a-secret-but-never-told")
MakeStage = Callable[..., Stage]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if not PACKAGES.is_dir():
        pytest.skip("the packages of an S3-compatible store are not here: make object-store")
    with pytest.MonkeyPatch.context() as patched, running(tmp_path_factory.mktemp("store")) as store:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patched.delenv(name)
        for name, value in store.environment.items():
            patched.setenv(name, value)
        file_system.cache_clear()
        yield store
    file_system.cache_clear()


@pytest.fixture
def make_stage(landing_broker: Settings, store: Store, tmp_path: Path) -> Iterator[MakeStage]:
    with contextlib.ExitStack() as after:

        def make(**environment: str) -> Stage:
            uri = f"s3://{BUCKET}/{tmp_path.name}"
            stage = Stage(landing_broker, tmp_path / "home", MIZAN_LAKE_URI=uri, **environment)
            after.callback(stage.clear)
            after.callback(store.fault)
            return stage

        yield make


def shards_with_agencies(stage: Stage, of: int) -> None:
    """Agencies until every shard has one."""
    shards = [Shard(number, of) for number in range(1, of + 1)]
    while not all(any(shard.has(topic(agency)) for agency in stage.agencies) for shard in shards):
        stage.agency(partitions=2)


def sent_offsets(stage: Stage) -> set[tuple[str, int, int]]:
    """Every offset of the stage's topics that holds a record, as Kafka itself tells."""
    consumer = Consumer({**stage.settings.kafka_admin().for_librdkafka(), "group.id": "none", "log_level": 0})
    found = set()
    for agency in stage.agencies:
        for number in consumer.list_topics(topic(agency), 30).topics[topic(agency)].partitions:
            first, end = consumer.get_watermark_offsets(TopicPartition(topic(agency), number), 30)
            found |= {(topic(agency), number, offset) for offset in range(first, end)}
    consumer.close()
    return found


def landed_offsets(stage: Stage) -> Counter[tuple[str, int, int]]:
    """How often each offset is in the lake, counted in the rows of events and quarantine."""
    query = 'SELECT topic, partition, "offset" FROM t'
    return Counter(stage.rows("events", query) + stage.rows("quarantine", query))


def assert_once(stage: Stage) -> None:
    assert landed_offsets(stage) == Counter(sent_offsets(stage))
    proof = verify(stage.settings, deep=True)
    assert proof.ok, proof.problems


def test_of_those_who_put_one_object_at_once_the_store_lets_one_win(store: Store):
    def put(key: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", store.port)
        headers = {"If-None-Match": "*", "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/r/s3/aws4_request"}
        connection.request("PUT", f"/{BUCKET}/{key}", body=b"x" * 2000, headers=headers)
        return connection.getresponse().status

    with ThreadPoolExecutor(8) as pool:
        for number in range(20):
            answers = Counter(pool.map(put, [f"raced-{number}"] * 8))
            assert answers == {200: 1, 412: 7}


def test_a_store_that_does_not_know_conditional_puts_gets_no_lake(make_stage: MakeStage, store: Store):
    stage = make_stage()
    steps.initialise(stage.settings)
    store.fault(conditions="ignored")
    with pytest.raises(UsageError, match=r"of one version the store let [2-8] win"):
        steps.initialise(stage.settings)


def test_a_lake_is_made_in_a_store_by_hand(make_stage: MakeStage):
    stage = make_stage()
    with_another = {"MIZAN_LAKE_URI": f"{stage.settings.lake_uri}-by-hand"}
    for command in ("init", "verify"):
        code, out, said = stage.run(command, **with_another)
        assert code == 0, said
        assert not [word for word in TOLD_NOWHERE if word in out + said]


def test_two_landers_one_of_them_killed_between_file_and_commit_land_every_record_once(make_stage: MakeStage):
    stage = make_stage(MIZAN_LAND_CAP="40")
    shards_with_agencies(stage, 2)
    for agency in stage.agencies:
        stage.send(agency, [*(visit(agency, f"e-{number}") for number in range(EACH)), b"{"], partitions=2)
    with contextlib.ExitStack() as ends:
        dying = ends.enter_context(
            ended(stage.start("land", "--until-empty", "--shard", "1/2", FAULTPOINT="events.file:kill@2"))
        )
        other = ends.enter_context(ended(stage.start("land", "--until-empty", "--shard", "2/2")))
        _, said = dying.communicate(timeout=240)
        assert dying.returncode == -signal.SIGKILL, said
        _, said = other.communicate(timeout=240)
        assert other.returncode == 0, said
    assert 0 < sum(landed_offsets(stage).values()) < len(sent_offsets(stage))
    code, out, said = stage.run("land", "--until-empty")
    assert code == 0, said
    assert not [word for word in TOLD_NOWHERE if word in out + said]
    assert_once(stage)


def test_a_lander_that_slept_through_another_s_commit_is_fenced(make_stage: MakeStage):
    stage = make_stage()
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, f"e-{number}") for number in range(EACH)])
    with ended(stage.start("land", FAULTPOINT="events.pre_commit:stop")) as sleeper:
        await_stopped(sleeper.pid)
        assert land(stage.settings).events == EACH
        sleeper.send_signal(signal.SIGCONT)
        _, said = sleeper.communicate(timeout=120)
        assert sleeper.returncode == 5, said
    assert_once(stage)


def test_a_commit_whose_answer_was_lost_lands_its_rows_once(make_stage: MakeStage, store: Store):
    stage = make_stage()
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, f"e-{number}") for number in range(EACH)])
    store.fault(lost="/events/_delta_log/")
    # Asked again, the store says that the entry is there: the lander takes its own commit for another's, and is fenced.
    with contextlib.suppress(Fenced):
        land(stage.settings)
    land(stage.settings)
    assert_once(stage)


def test_a_lake_in_a_store_gives_the_figures_of_one_on_a_disk(make_stage: MakeStage, landing_broker: Settings):
    stage = make_stage()
    agency = stage.agency()
    days = [f"2020-0{month}-1{day}T08:00:00Z" for month in (4, 5) for day in range(6)]
    stage.send(agency, [visit(agency, f"e-{n}", time=days[n % 12]) for n in range(240)] + [b"{"])
    home = stage.settings.home
    local = Stage(landing_broker, home.parent / "local")
    shutil.copytree(home / "keys", local.settings.keys, dirs_exist_ok=True)  # the same persons under the same pids
    told = []
    for one in (stage, local):
        steps.land_events(one.settings)
        steps.gate_batches(one.settings)
        for month in steps.update_facts(one.settings):
            steps.refresh_month(month, one.settings)
        told.append(built(one.settings))
    assert told[0] == told[1]
    assert told[0]["monthly_visits"]
    assert steps.publish_marts(stage.settings).is_new
    assert_once(stage)


def built(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """The figures of a build, table by table."""
    with build_connection(settings) as connection:
        return {
            name: sorted(connection.sql(f"SELECT * FROM {name}_v1").fetchall(), key=repr)
            for name in ("monthly_users", "monthly_visits", "monthly_transactions", "monthly_channel_share")
        }


def test_compaction_merges_in_the_store_and_a_lost_object_is_named_and_made_again(make_stage: MakeStage):
    stage = make_stage(MIZAN_LAND_CAP="20")
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, f"e-{number}") for number in range(EACH)])
    land(stage.settings, until_empty=True)
    done = compact(stage.settings, fewest_files=2)["events"]
    assert done.files_after == 1 < done.files_before
    assert_once(stage)
    (merged,) = Lake(stage.settings).open("events").files
    file_system().delete_file(merged.removeprefix("s3://"))
    with pytest.raises(Halted, match="LAKE_FILE_MISSING"):
        check_lake(stage.settings)
    assert verify(stage.settings, refetch=True).ok
    assert_once(stage)


def test_persons_are_erased_put_under_another_key_and_forgotten_with_time_in_a_store(store: Store, tmp_path: Path):
    uri = f"s3://{BUCKET}/{tmp_path.name}"
    home = Settings.load({"MIZAN_HOME": str(tmp_path / "home"), "MIZAN_LAKE_URI": uri}, folder=tmp_path)
    steps.initialise(home)
    long_ago = landed_people.NOON - dt.timedelta(days=1000)
    old = [landed_people.visit(f"old-{person}", person, long_ago) for person in (1, 2)]
    for values in (old, [*landed_people.visits([1, 2, 3]), b"{broken"]):
        verdict = {"batch_id": landed_people.land(home, values), "agency_id": landed_people.AGENCY}
        Lake(home).append("verdicts", [{**verdict, "verdict": "passed", "decided_at": dt.datetime.now(dt.UTC)}])
    assert rotate(home, by="Keeper", reason="yearly").rows["events"] == 5
    assert forget(home, [landed_people.user_key(1)], by="Keeper", reason="request 12").erased.rows == 2
    assert len(landed_people.pids(home)) == 2
    assert not verify(home, deep=True).problems
    assert drop_old_pids(home, by="Keeper", now=landed_people.NOON).dropped is not None
    ((unkept, kept),) = landed_people.rows(home, "events", "SELECT count(*) - count(pid), count(pid) FROM t")
    assert (unkept, kept) == (1, 2)
    assert not verify(home, deep=True).problems


def test_threads_that_read_one_object_at_once_read_the_right_bytes(make_stage: MakeStage, tmp_path: Path):
    folder = Lake(make_stage().settings).folder("read")
    with memory_connection() as connection:
        made = "SELECT i, md5(i::VARCHAR) AS text, md5((i * 7)::VARCHAR) AS other FROM range(300000) AS t(i)"
        with folder.draft("one.parquet") as draft:
            connection.execute(f"COPY ({made}) TO '{draft}' (FORMAT parquet, ROW_GROUP_SIZE 20480)")
            written = draft.read_bytes()
            folder.keep(draft, "one.parquet")
        connection.execute("SET threads = 8")
        view_files(connection, "read", [folder.address("one.parquet")], {})
        (wrong,) = connection.sql(f"SELECT count(*) FROM (({made}) EXCEPT SELECT * FROM read)").fetchall()
    assert wrong == (0,)
    # As it comes once in a while by itself: another thread seeks between this one's seek and read.
    with StoredObjects().open(folder.address("one.parquet")) as file, ThreadPoolExecutor(1) as another:
        file.seek(100)
        another.submit(file.seek, 4000).result()
        assert file.read(8) == written[100:108]


def test_what_a_store_cannot_have_is_said_by_name(make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch):
    stage = make_stage()
    with pytest.raises(UsageError, match="its own store keeps its copies"):
        pin(stage.settings)
    lake, secret = Lake(stage.settings), "S3CR3T"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(TryAgain, match="does not answer"):
        lake.open("events")
    for name, value, words in (
        ("AWS_ENDPOINT_URL", "http://198.51.100.7:9000", "without TLS"),
        ("AWS_ENDPOINT_URL", f"https://user:{secret}@store.example", "must be http"),
        ("AWS_S3_ALLOW_UNSAFE_RENAME", "true", "conditional put alone"),
    ):
        monkeypatch.setenv(name, value)
        with pytest.raises(UsageError, match=words) as refused:
            Lake(stage.settings).open("events")
        assert secret not in str(refused.value)
