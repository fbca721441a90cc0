"""Join age, sex and diagnosis of ABIDE to its image-quality metrics, by subject.

python make_table.py abide.tsv.gz Phenotypic_V1_0b_preprocessed1.csv.gz mriqc.csv
"""

from __future__ import annotations

import csv
import gzip
import sys
from pathlib import Path

PEOPLE = {"age": "AGE_AT_SCAN", "sex": "SEX", "dx": "DX_GROUP"}
NOT_MEASURED = {"rater_1", "rater_2", "rater_3"}


def main(metrics: Path, phenotypes: Path, output: Path) -> None:
    with gzip.open(phenotypes, "rt", newline="") as file:
        people = {row["SUB_ID"]: row for row in csv.DictReader(file)}
    with gzip.open(metrics, "rt", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    names = [name for name in rows[0] if name not in NOT_MEASURED]
    with output.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*names[:1], *PEOPLE, *names[1:]])
        writer.writeheader()
        for row in rows:
            own = people[row["subject_id"]]
            told = {name: own[column] for name, column in PEOPLE.items()}
            writer.writerow({name: row[name] for name in names} | told)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
