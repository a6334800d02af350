"""Coverage by folder against the floors in pyproject.toml (`[tool.careerrelay.floors]`).

Reads the data that `pytest --cov` left, prints one line a folder, exits 1 when one is below its floor. One
floor for the whole would let a well-tested web page make up for an untested parser.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def share(files: Mapping[str, Any], folder: str) -> float | None:
    """Per cent of lines and branches below `folder` that were run; None where there is nothing to run."""
    summaries = [entry["summary"] for name, entry in files.items() if Path(name).is_relative_to(folder)]
    possible = sum(summary["num_statements"] + summary["num_branches"] for summary in summaries)
    done = sum(summary["covered_lines"] + summary["covered_branches"] for summary in summaries)
    return 100 * done / possible if possible else None


def main() -> int:
    """Print the table of what is not run, then each floor with the value reached."""
    floors: dict[str, float] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"][
        "careerrelay"
    ]["floors"]
    coverage = (sys.executable, "-m", "coverage")
    subprocess.run((*coverage, "report"), cwd=ROOT, check=False)
    report = subprocess.run((*coverage, "json", "-q", "-o", "-"), cwd=ROOT, capture_output=True, check=False)
    if report.returncode:
        print(report.stderr.decode() or report.stdout.decode())
        return 1
    files = json.loads(report.stdout)["files"]
    below = False
    print()
    for folder, floor in floors.items():
        reached = share(files, folder)
        held = reached is not None and reached >= floor
        below |= not held
        shown = "nothing measured" if reached is None else f"{reached:5.1f} %"
        print(f"  {folder:<24} {shown}  (floor {floor} %){'' if held else '  BELOW'}")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
