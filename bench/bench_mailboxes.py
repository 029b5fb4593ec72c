"""Reading the public extraction of mailboxes: against pandas, at the size of 2026 and at ten million rows.

Made up row by row as the real one is: 31 columns, 5,000 domains of which a few have most mailboxes, practices
in the large ones and structures in the others. Each measurement is made in a process of its own.
"""

import subprocess
import sys
import tempfile
from itertools import accumulate
from pathlib import Path
from random import Random

from bench.bench_whitelist import TIMED, measured
from tools.sample.mailboxes import HEADINGS

ROWS = 550_000
MANY = 10_000_000
RUNS = 5

OURS = """
from pathlib import Path
from mssante_audit.mailboxes.extraction import count_mailboxes
from mssante_audit.mailboxes.extraction import pieces
def f(file):
    return count_mailboxes(pieces(Path(file)), file).frame
"""
PANDAS = """
import pandas
def f(file):
    return pandas.read_csv(file, sep="|", usecols=["Type de BAL", "Adresse BAL"])
"""
WEIGHED = r"""
import re, sys
def peak():  # not ru_maxrss, which starts from the parent's
    return int(re.search(r"VmHWM:\s*(\d+)", open("/proc/self/status").read())[1]) / 1024
before = peak()
f(sys.argv[1])
print(peak() - before)
"""


def made_up(file: Path, rows: int) -> Path:
    random = Random(0)
    weights = list(accumulate(1 / (i + 1) for i in range(5000)))
    with file.open("w", encoding="utf-8") as out:
        out.write(f"{HEADINGS}\n")
        for i, domain in enumerate(random.choices(range(5000), cum_weights=weights, k=rows)):
            kind = "PER" if i % 6 else "ORG"
            held = f"4|1{i:010}001" if domain < 5 else f"1|75{domain + i % 40 * (domain < 200):07}"
            out.write(
                f"{kind}|prenom.nom{i}@structure-{domain}.mssante.fr|8|{10**10 + i}|8{10**10 + i}|{held}||M|"
                f"NOMÉ{i}|PRÉNOM|C|Civil|10|Médecin|||O|CENTRE FICTIF {i % 60000}||||12||RUE|DES INVENTÉS||"
                "75001 PARIS|75001|75|FRANCE\n"
            )
    return file


def zipped(file: Path) -> Path:
    packed = file.with_suffix(".zip")
    subprocess.run([sys.executable, "-m", "zipfile", "-c", packed, file], check=True)
    return packed


def benches() -> list[tuple[str, float, float]]:
    with tempfile.TemporaryDirectory() as name:
        file = made_up(Path(name, "Extraction_Correspondance_MSSante_202603011013.txt"), ROWS)
        packed = zipped(file)
        ours, theirs, unpacking = (
            min(measured(program + TIMED, source) for _ in range(RUNS))
            for program, source in ((OURS, file), (PANDAS, file), (OURS, packed))
        )
        memory = measured(OURS + WEIGHED, file)
        packed.unlink()
        many = measured(OURS + WEIGHED, made_up(file, MANY))
        return [
            ("CPU of counting 550,000 mailboxes / pandas.read_csv of two columns", ours / theirs, 6),
            ("the same, packed / pandas.read_csv of the text", unpacking / theirs, 8),
            ("extra memory of counting 550,000 mailboxes, MB", memory, 600),
            ("extra memory of counting 10,000,000 mailboxes, MB", many, 600),
        ]
