"""Make the two pictures of the README from what `make demo` left: `python tools/pictures.py demo docs/images`.

The report is photographed by Chromium (Debian: apt-get install chromium); the contact sheet is pasted from the crops.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from deltalake import DeltaTable
from PIL import Image, ImageDraw

CHROMIUM = (
    "chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
    "--disable-background-networking --disable-component-update --disable-sync --window-size=1200,1180"
)
COLUMNS, ROWS, SIDE, CAPTION = 8, 6, 150, 18


def contact_sheet(demo: Path, target: Path) -> None:
    """Crops of every class in turn, each with its code."""
    crops = DeltaTable(demo / "lake" / "curated" / "crops").to_pandas(
        columns=["unit_id", "preset", "valid_fraction", "image"]
    )
    samples = DeltaTable(demo / "lake" / "curated" / "samples").to_pandas(columns=["cell_id", "label_code", "support"])
    cells = samples.merge(crops[crops.valid_fraction == 1], left_on="cell_id", right_on="unit_id").sort_values(
        "cell_id"
    )
    cells["turn"] = cells.groupby("label_code").cumcount()
    chosen = cells.sort_values(["turn", "label_code"]).head(COLUMNS * ROWS)
    sheet = Image.new("RGB", (COLUMNS * SIDE, ROWS * (SIDE + CAPTION)), "white")
    pen = ImageDraw.Draw(sheet)
    for n, row in enumerate(chosen.itertuples()):
        x, y = n % COLUMNS * SIDE, n // COLUMNS * (SIDE + CAPTION)
        sheet.paste(Image.open(io.BytesIO(row.image)).resize((SIDE - 4, SIDE - 4), Image.Resampling.LANCZOS), (x, y))
        pen.text((x + 2, y + SIDE - 3), row.label_code, fill="black", font_size=13)
    sheet.convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(target, optimize=True)


def report(demo: Path, target: Path) -> None:
    """The top of the newest report."""
    page = max((demo / "lake" / "restricted" / "reports").glob("*.html"), key=lambda file: file.stat().st_mtime)
    with tempfile.TemporaryDirectory() as profile:
        command = [*CHROMIUM.split(), f"--user-data-dir={profile}", f"--screenshot={target}", page.resolve().as_uri()]
        subprocess.run(command, check=True, capture_output=True)
    Image.open(target).convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(target, optimize=True)


if __name__ == "__main__":
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    contact_sheet(source, folder / "contact-sheet.png")
    report(source, folder / "report.png")
