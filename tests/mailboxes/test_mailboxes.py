"""The public extraction: counted as it is written, refused in one line, and nothing else of it is kept."""

import io
import struct
import time
import traceback
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree, ignore_patterns

import pandas as pd
import pytest
from commands import said
from conftest import CATALOGUE
from mailboxes_made_up import CANARY, HEADINGS, line, many, put, text

from mssante_audit.base.errors import InputError
from mssante_audit.mailboxes import extraction
from mssante_audit.mailboxes.extraction import MAX_DAYS, Counts, Extraction, find_extractions
from mssante_audit.space.trust import load_space

AS_OF = datetime(2026, 3, 3, tzinfo=UTC)
ROWS = [
    ("PER", "a@un.mssante.fr", "1", "750000018"), ("PER", "b@un.mssante.fr", "FINESS", "1750000018"),
    ("ORG", "c@un.mssante.fr", "3", "99900000100011"), ("APP", "d@deux.mssante.fr", "2", "999000001"),
    ("PER", "e@deux.mssante.fr", "4", "10000000000001"), ("PER", "f@deux.mssante.fr", "", ""),
]  # fmt: skip
COUNTED = [
    ("deux.mssante.fr", "PER", "", 2), ("deux.mssante.fr", "other", "2999000001", 1),
    ("un.mssante.fr", "ORG", "399900000100011", 1), ("un.mssante.fr", "PER", "1750000018", 2),
]  # fmt: skip


def counted(content: bytes, size: int = 2**20) -> Counts:
    return extraction.count_mailboxes((content[i : i + size] for i in range(0, len(content), size)), "x.txt")


def lines(counts: Counts) -> list[tuple[str, str, str, int]]:
    return list(counts.frame.itertuples(index=False, name=None))


def zipped(content: bytes, name: str = "Extraction_Correspondance_MSSante_202603011013.txt") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("size", [1, 7, 2**20])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_mailboxes_are_counted_by_domain_kind_and_structure(size: int, end: str) -> None:
    counts, unended = counted(text(ROWS, end), size), counted(text(ROWS, end)[: -len(end)])
    assert lines(counts) == lines(unended) == COUNTED
    assert (counts.repeated, counts.unread, counts.damage, unended.damage) == (0, 0, "", "")
    assert counts.frame.dtypes.astype(str).tolist() == ["str", "str", "str", "int64"]


def test_columns_are_found_by_name_in_any_order_and_after_a_mark() -> None:
    table = [row.split("|") for row in text(ROWS).decode().splitlines()]
    for order in (range(len(HEADINGS) - 1, -1, -1), (6, 0, 5, 1)):
        turned = "\n".join("|".join(row[i] for i in order) for row in table)
        assert lines(counted(turned.encode("utf-8-sig"))) == COUNTED


def test_an_address_that_comes_again_is_counted_once() -> None:
    again = ("ORG", "a@un.mssante.fr", "3", "99900000100011")
    counts = counted(text([*ROWS, again, again, ("PER", "A@un.mssante.fr", "", "")]))
    assert (counts.repeated, counts.frame["mailboxes"].sum()) == (2, len(ROWS) + 1)


def test_a_domain_is_kept_as_it_is_written() -> None:
    same = counted(text([("PER", f"a@{name}.mssante.fr", "", "") for name in ("CH-X", "ch-x")]))
    assert same.frame["domain"].tolist() == ["CH-X.mssante.fr", "ch-x.mssante.fr"]


@pytest.mark.parametrize("number", ["75000001", "Zoé Canari"])
def test_what_is_no_identifier_tells_no_structure(number: str) -> None:
    assert counted(text([("PER", "a@un.mssante.fr", "1", number)])).frame["structure"].tolist() == [""]


def test_rows_that_tell_no_mailbox_are_counted_apart() -> None:
    bad = [("PER", address, "", "") for address in ("nobody.example", "a@dupont jean", "a@nodot", "")]
    content = text([*bad, ROWS[0]]) + b"one|two\n\n" + f"{line(*ROWS[1])}|more\n{line(*ROWS[2])}\n".encode()
    counts = counted(content)
    assert (counts.unread, counts.damage, counts.frame["mailboxes"].sum()) == (6, "", 2)
    assert set(counts.frame["domain"]) == {"un.mssante.fr"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (text(ROWS).replace(b"Adresse BAL", b"Adresse"), "names no column 'Adresse BAL'"),
        (text(ROWS).replace(b"|Pays\n", b"|Adresse BAL\n"), "names two columns 'Adresse BAL'"),
        (text(ROWS).partition(b"\n")[2], "names no column 'Type de BAL'"),
        (text(ROWS).replace(b"|", b";"), "names no column 'Type de BAL'"),
        (text(ROWS).decode().encode("cp1252"), "is not UTF-8"),
        (text(ROWS) + b"x" * 2**20 * 3, "a row without an end"),
    ],
)
def test_what_is_no_extraction_is_refused_in_a_line_that_names_nobody(content: bytes, why: str) -> None:
    with pytest.raises(InputError, match=why) as raised:
        counted(content)
    whole = "".join(traceback.format_exception(raised.value))
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("x.txt: ")
    assert CANARY.lower() not in whole.lower()


@pytest.mark.parametrize("cut", [1, 150])
def test_a_text_cut_in_the_middle_of_a_row_is_damaged_and_the_rest_counts(cut: int) -> None:
    whole = text(many({"un.mssante.fr": 50}))
    counts = counted(whole[: -(len(line(*many({"un.mssante.fr": 1})[0]).encode()) - cut)])
    assert (counts.damage, counts.unread) == ("the last row breaks off", 0)
    assert counts.frame["mailboxes"].sum() == 49


HEAD, BODY = text(ROWS).split(b"\n", 1)


@pytest.mark.parametrize(
    "content",
    [HEAD, HEAD + b"\n\n", HEAD + b"|\n" + BODY, text(ROWS).replace(b"@", b" at "), HEAD + b"\r" + BODY],
    ids=["headings alone", "empty rows", "a column more", "no addresses", "one line"],
)
def test_a_text_none_of_whose_rows_can_be_read_does_not_say_that_there_are_none(tmp_path, content) -> None:
    put(tmp_path, content)
    assert of(tmp_path).damage == "no row names a mailbox"
    assert newest(tmp_path).fault(AS_OF) == "damaged"


def newest(folder: Path) -> Extraction:
    return find_extractions(folder, AS_OF)


def of(folder: Path) -> Counts:
    return newest(folder).counts


@pytest.mark.parametrize(
    "name",
    ["extraction_correspondance_mssante_202603011013.ZIP", "Extraction_Correspondance_MSSante (1).zip"],
)
def test_a_zip_is_read_whatever_it_is_called_and_tells_its_date_inside(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(zipped(text(ROWS)))
    assert newest(tmp_path).made_at == datetime(2026, 3, 1, 10, 13, tzinfo=UTC)
    assert lines(of(tmp_path)) == COUNTED


def test_a_zip_that_breaks_off_or_has_wrong_bytes_is_damaged(tmp_path: Path) -> None:
    rows = (("PER", f"{zlib.crc32(bytes([i % 251])) * i:x}@un.mssante.fr", "", "") for i in range(40_000))
    content = zipped(text(rows))  # hard to compress
    for broken in (content[: len(content) // 2], content[:-30], content[:90], content[:4]):
        put(tmp_path, broken, suffix="zip")
        counts = of(tmp_path)
        assert (counts.damage, len(counts.frame)) == ("the ZIP archive breaks off", 0)
        assert counts.frame.dtypes.astype(str).tolist() == ["str", "str", "str", "int64"]
    for where in (len(content) // 3, len(content) // 2):
        put(tmp_path, content[:where] + b"\xff\xff\xff" + content[where + 3 :], suffix="zip")
        assert of(tmp_path).damage != ""


def encrypted(archive: bytes) -> bytes:
    changed = bytearray(archive)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        changed[changed.index(mark) + place] |= 1
    return bytes(changed)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (zipped(zipped(text(ROWS)), "Extraction_Correspondance_MSSante_202603011013.zip"), "packed twice"),
        (zipped(zipped(text(ROWS))), "packed twice"), (encrypted(zipped(text(ROWS))), "is encrypted"),
        (zipped(text(ROWS), "other.txt"), "no archive of one"), (text(ROWS), "is no ZIP archive"),
        (b"", "is no ZIP archive"), (zipped(bytes(50 * 2**20)), "a row without an end"),
    ],
    ids=["twice", "twice unnamed", "encrypted", "other", "text", "empty", "bomb"],
)  # fmt: skip
def test_zips_that_are_refused(tmp_path: Path, content: bytes, why: str) -> None:
    put(tmp_path, content, suffix="zip")
    begin = time.process_time()
    with pytest.raises(InputError, match=why):
        of(tmp_path)
    assert time.process_time() - begin < 1


def test_a_bomb_is_refused_before_and_while_it_goes_off(tmp_path: Path, monkeypatch) -> None:
    whole = text(many({"un.mssante.fr": 20_000}))
    lying = zipped(whole).replace(struct.pack("<I", len(whole)), struct.pack("<I", 2**19))
    archive = put(tmp_path, lying, suffix="zip")
    counts = of(tmp_path)  # it holds more than it declares
    assert counts.damage == "the ZIP archive is damaged"
    assert 0 < counts.frame["mailboxes"].sum() <= 20_000 * 2**19 / len(whole)
    monkeypatch.setattr(extraction, "MAX_BYTES", 2**20)
    assert of(tmp_path).damage == "the ZIP archive is damaged"
    for content, suffix in ((zipped(whole), "zip"), (whole, "txt")):
        put(tmp_path, content, suffix=suffix)
        with pytest.raises(InputError, match="holds more than 1 MiB"):  # the archive's directory declares it
            of(tmp_path)
        archive.unlink(missing_ok=True)


def test_too_many_domains_are_no_extraction(monkeypatch) -> None:
    monkeypatch.setattr(extraction, "MAX_GROUPS", 100)
    with pytest.raises(InputError, match="more than 100 domains and structures"):
        counted(text(many({f"d{i}.mssante.fr": 1 for i in range(101)})))


def test_millions_of_rows_take_little_memory() -> None:
    # Ten million rows are measured by bench/bench_mailboxes.py; here, that nothing grows with the text.
    block = "".join(f"{line('PER', f'{i}@un.mssante.fr')}\n" for i in range(2_000)).encode()

    def pieces() -> Iterator[bytes]:
        yield "|".join(HEADINGS).encode() + b"\n"
        for _ in range(50):
            yield block

    tracemalloc.start()
    counts = extraction.count_mailboxes(pieces(), "x.txt")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (counts.frame["mailboxes"].tolist(), counts.repeated) == ([2_000], 98_000)
    assert peak < 12 * 2**20 < len(block) * 50


def test_the_newest_as_of_the_date_is_taken_with_the_one_before_it(tmp_path: Path) -> None:
    assert find_extractions(tmp_path, AS_OF) is None
    for at in ("202601011013", "202602011013", "202603011013", "202604011013"):
        put(tmp_path, text(ROWS), at)
    put(tmp_path, b"", "202603011013", "zip")
    last = newest(tmp_path)
    assert last.source == "Extraction_Correspondance_MSSante_202603011013.txt"
    assert (last.earlier.made_at.month, last.earlier.earlier) == (2, None)
    assert find_extractions(put(tmp_path, text(ROWS)), AS_OF) is None, "a file has nothing beside it"


@pytest.mark.parametrize(
    "name", ["Extraction_Correspondance_MSSante_202613011013.txt", "extraction-correspondance-mssante.txt"]
)
def test_a_name_without_a_date_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(text(ROWS))
    with pytest.raises(InputError, match=r"does not tell when it was made.*Name it as ANS does"):
        find_extractions(tmp_path, AS_OF)


def test_numbers_are_unknown_where_the_extraction_is_of_another_time_or_damaged(tmp_path: Path) -> None:
    put(tmp_path, text(ROWS))
    whole = newest(tmp_path)
    assert whole.by_domain == {"un.mssante.fr": 3, "deux.mssante.fr": 3}
    for days, fault in ((MAX_DAYS, ""), (-MAX_DAYS, ""), (MAX_DAYS + 1, "old"), (-MAX_DAYS - 1, "old")):
        assert whole.fault(whole.made_at + timedelta(days)) == fault
    put(tmp_path, text(ROWS)[:-100])
    assert newest(tmp_path).fault(AS_OF) == "damaged"


def test_nothing_of_a_person_is_written_shown_or_logged(tmp_path: Path) -> None:
    copytree(CATALOGUE, tmp_path / "data", ignore=ignore_patterns("Extraction_*", "extractions"))
    listed = load_space(tmp_path / "data", as_of="2026-03-03").audited["domain"].iloc[0]
    rows = many({listed: 12, "ch-gone.mssante.fr": 30}, "1", "759900004")
    put(tmp_path / "data", text([*rows, ("PER", CANARY, "", ""), ("PER", f"x@{CANARY} {CANARY}", "", "")]))
    put(tmp_path / "data", text(many({listed: 99})), "202601151013")
    arguments = ["--data", str(tmp_path / "data"), "--as-of", "2026-03-03"]
    findings = said("findings", "all", "--format", "json", "--contacts", "all", *arguments)
    assert "ch-gone.mssante.fr" in findings
    said("snapshot", tmp_path / "snapshot", *arguments)
    files = [file for file in (tmp_path / "snapshot").rglob("*") if file.is_file()]
    assert "mailboxes.parquet" in {file.name for file in files}
    texts = [pd.read_parquet(file).to_csv() for file in files if file.suffix == ".parquet"]
    texts += [file.read_text(encoding="utf-8") for file in files if file.suffix != ".parquet"]
    for shown in (findings, *texts):
        assert CANARY.lower() not in shown.lower()
    every = [file for file in tmp_path.rglob("*") if file.is_file()]
    kept = {file.name for file in every if CANARY.encode() in file.read_bytes()}
    assert kept == {file.name for file in (tmp_path / "data").glob("Extraction_*")}
