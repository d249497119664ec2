"""`mizan backup` and `mizan restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from console.output import JSON_OPTION, note, print_json, say, working
from contracts.errors import UsageError
from contracts.settings import Settings

FOLDER = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of backups.")]
KEYS = Annotated[
    Path | None, typer.Option("--with-keys", metavar="KEYDIR", help="Also the keys, in this folder of their own.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(backup)
    app.command()(restore)


def backup(
    folder: FOLDER,
    with_keys: KEYS = None,
    keep: int | None = typer.Option(None, "--keep", min=1, help="Then remove all but the newest N backups in DIR."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Copy lake, releases and published versions as of one moment; what is in DIR already is not copied again."""
    from pipeline.backup import backup as make

    with working("copying"):
        done = make(Settings.load(), folder, keys_folder=with_keys, keep=keep)
    made: dict[str, Any] = {
        "backup": done.manifest.made_at,
        "manifest": done.manifest_file,
        "files": len(done.manifest.files),
        "copied_files": done.copied_files,
        "copied_bytes": done.copied_bytes,
        "keys": with_keys is not None,
        "removed": list(done.removed),
    }
    if as_json:
        print_json(made | {"versions": done.manifest.versions, "next_offsets": done.manifest.next_offsets})
        return
    say(f"{made['backup']}  {made['files']} files, {done.copied_files} copied ({done.copied_bytes:,} bytes)")
    if done.removed:
        note(f"removed: {', '.join(done.removed)}")
    if with_keys is None:
        note("without keys: keep a copy of them elsewhere, see docs/runbooks/backup.md")


def restore(
    folder: FOLDER,
    force: bool = typer.Option(False, "--force", help="The home holds data: move it aside, to replaced-…"),
    only_check: bool = typer.Option(False, "--check", help="Read the backup back and compare; restore nothing."),
    at: str | None = typer.Option(None, "--at", metavar="MOMENT", help="An older backup, by its name."),
    with_keys: KEYS = None,
    after_version: int | None = typer.Option(
        None, "--after-version", min=1, help="Readers have seen this published version: the next one comes after it."
    ),
    lost_platform_key: bool = typer.Option(
        False, "--lost-platform-key", help="The platform key exists nowhere any more; see its runbook first."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Bring a backup back into this home. Stop Airflow and landing first; `mizan verify` afterwards."""
    from pipeline.restore import check
    from pipeline.restore import restore as bring_back

    settings = Settings.load()
    if only_check and (force or lost_platform_key or after_version is not None):
        raise UsageError("--check restores nothing: leave --force, --lost-platform-key and --after-version out")
    with working("checking" if only_check else "restoring"):
        if only_check:
            done = check(settings, folder, at=at, keys_folder=with_keys)
        else:
            done = bring_back(
                settings,
                folder,
                at=at,
                force=force,
                keys_folder=with_keys,
                after_version=after_version,
                lost_platform_key=lost_platform_key,
            )
    if as_json:
        found = {"backup": done.manifest.made_at, "files": len(done.manifest.files), "restored": not only_check}
        print_json(found | {"replaced": done.replaced, "keys": done.keys, "next_offsets": done.manifest.next_offsets})
        return
    say(f"{done.manifest.made_at}  {len(done.manifest.files)} files {'checked' if only_check else 'restored'}")
    if done.replaced is not None:
        note(f"what was there is in {done.replaced}")
    if done.versions_from is not None:
        note(f"the next published version is v{done.versions_from}: a number that readers saw is not given again")
    if not only_check:
        note("now run: mizan verify")
