"""The list of components of this checkout, CycloneDX 1.6: ``python supply/bom.py TOOLS FILE``.

Python packages are those of the environment, by cyclonedx-bom, which lies in the folder TOOLS and not among them.
Kafka's jars are added by what they say of themselves, each with its sha256. The whole is checked against the schema.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_NAME = re.compile(r"(?P<name>.+?)-(?P<version>\d[\w.+-]*)\.jar")
_RUN = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module('cyclonedx_py', run_name='__main__')"


def python_components(tools: Path) -> dict[str, Any]:
    """The document of the Python packages."""
    call = [sys.executable, "-c", _RUN, str(tools), "environment", sys.executable, "--output-reproducible"]
    call += ["--pyproject", str(ROOT / "pyproject.toml"), "--spec-version", "1.6", "--output-format", "JSON"]
    made = subprocess.run(call, check=True, capture_output=True)
    document: dict[str, Any] = json.loads(made.stdout)
    return document


def jar_component(jar: Path) -> dict[str, Any]:
    """One jar: name, version and group by its own pom.properties, or by its file's name; its hash."""
    match = _NAME.fullmatch(jar.name)
    name, version, group = (match["name"], match["version"], None) if match else (jar.stem, "", None)
    with zipfile.ZipFile(jar) as archive:
        poms = [entry for entry in archive.namelist() if entry.endswith(f"/{name}/pom.properties")]
        if len(poms) == 1:
            told = dict(re.findall(r"^(\w+)=(.*?)\s*$", archive.read(poms[0]).decode(), re.MULTILINE))
            group, version = told.get("groupId"), told.get("version", version)
    place = f"{group}/{name}" if group else name
    component = {
        "type": "library",
        "bom-ref": jar.name,
        "name": name,
        "version": version,
        "purl": f"pkg:maven/{place}@{version}" if group else f"pkg:generic/{place}@{version}",
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(jar.read_bytes()).hexdigest()}],
    }
    return component | ({"group": group} if group else {})


def bom(tools: Path, jars: Path) -> dict[str, Any]:
    """The whole document. Raises FileNotFoundError where the jars are not there: a list without them would lie."""
    found = sorted(jars.glob("*.jar"))
    if not found:
        raise FileNotFoundError(f"no jars in {jars}")
    document = python_components(tools)
    document["components"] += [jar_component(jar) for jar in found]
    return document


def problems(document: dict[str, Any], tools: Path) -> str | None:
    """What the schema of CycloneDX has against the document; None where nothing."""
    sys.path.insert(0, str(tools))
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))
    return None if found is None else str(found)


def main(tools: Path, file: Path) -> int:
    """Write FILE; 1 where it breaks the schema."""
    from broker.jars import shared_folder

    document = bom(tools, shared_folder())
    if wrong := problems(document, tools):
        sys.stderr.write(f"{file}: {wrong}\n")
        return 1
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(f"{file}: {len(document['components'])} components\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2])))
