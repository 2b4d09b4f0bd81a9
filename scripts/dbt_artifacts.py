"""Make tests/data/dbt anew with the real dbt: scripts/dbt_artifacts.py [path of dbt] [project] [folder for the files]

Without more, the newest: `project` into tests/data/dbt itself. The old manifests come of `old_project`, which dbt 1.5
and 1.7 understand: scripts/dbt_artifacts.py V15/bin/dbt old_project v9, and V17/bin/dbt old_project v11.

dbt is no dependency of this project. Install it beside: python -m venv V && V/bin/pip install dbt-duckdb
(with "dbt-core<1.12" where only a package registry is reached, since later ones fetch a part from elsewhere).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent / "tests" / "data" / "dbt"
KEPT_METADATA = ("dbt_schema_version", "dbt_version", "adapter_type", "project_name")
DROPPED = ("macros", "docs", "selectors", "group_map", "saved_queries", "semantic_models", "exposures", "metrics")
"""Sections that say nothing of tables, and that are most of the file."""
NOT_OURS = ("root_path", "created_at", "build_path", "checksum", "compiled_path")
"""What tells of the machine or the moment."""


def main() -> int:
    """Run dbt on a copy of the project, and keep what it wrote, without the machine's own things."""
    dbt = shutil.which(sys.argv[1] if len(sys.argv) > 1 else "dbt")
    if dbt is None:
        print(__doc__, file=sys.stderr)
        return 2
    source, target = sys.argv[2:4] if len(sys.argv) > 3 else ("project", ".")
    (DATA / target).mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        shutil.copytree(DATA / source, project)
        environment = {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1"}
        for command in (["build"], ["docs", "generate"]):
            done = subprocess.run(
                [dbt, *command, "--profiles-dir", "."], cwd=project, env=environment, capture_output=True, text=True
            )
            if done.returncode:
                print(done.stdout, file=sys.stderr)
                return 1
        for name in ("manifest.json", "catalog.json"):
            content = json.loads((project / "target" / name).read_text())
            content["metadata"] = {key: content["metadata"].get(key) for key in KEPT_METADATA}
            for section in DROPPED:
                if section in content:
                    content[section] = type(content[section])()
            text = json.dumps(_clean(content), indent=1, ensure_ascii=False) + "\n"
            for own in (folder, str(Path.home()) + "/", "site-packages"):
                if own in text:
                    print(f"{name} still has {own}", file=sys.stderr)
                    return 1
            (DATA / target / name).write_text(text, encoding="utf-8")
    return 0


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clean(inner) for key, inner in value.items() if key not in NOT_OURS}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value


if __name__ == "__main__":
    raise SystemExit(main())
