"""Give a radMLBench table its centre: the letters its case ids begin with.

python make_table.py Arita2018.csv.gz arita.csv
"""

from __future__ import annotations

import csv
import gzip
import re
import sys
from pathlib import Path


def main(source: Path, output: Path) -> None:
    with gzip.open(source, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    with output.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["centre", *rows[0]])
        writer.writeheader()
        for row in rows:
            letters = re.match(r"[A-Za-z]+", row["ID"])
            centre = letters.group() if letters else ""
            writer.writerow({"centre": centre} | row)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
