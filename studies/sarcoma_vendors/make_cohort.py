"""Write the cohort table of a folder of STS_*_MR_T1_{image,mask}.nii.gz with scanners.csv.

python make_cohort.py FOLDER cohort.csv
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path


def main(folder: Path, output: Path) -> None:
    with (folder / "scanners.csv").open(newline="") as file:
        rows = [
            {
                "id": row["id"],
                "Image": folder.absolute() / f"{row['id']}_MR_T1_image.nii.gz",
                "Mask": folder.absolute() / f"{row['id']}_MR_T1_mask.nii.gz",
                "vendor": row["vendor"],
                "model": row["model"],
                "sex": row["sex"],
            }
            for row in csv.DictReader(file)
        ]
    with output.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
