"""Laws of the source. Each failure says how to mend it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "spothive"
FILES = sorted(SOURCE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
TEXTS = [*FILES, *TESTS, *sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "Makefile"]

COMMITS_IN = (
    "database/connection.py",
    "queue/",
    "database/migrations/",
    "database/service_connection.py",  # a driver's connection,
    "database/sqlite_turns.py",  # as is this one
)
DIALECT_WORDS = re.compile(r"\b(postgresql|postgres|psycopg\w*|sqlite3?|pragma|dialect)\b", re.IGNORECASE)
DIALECT_ROOMS = ("database/", "schema/", "queue/")
DIALECT_EXCEPTIONS = {
    "models/audit.py": "column comments say who sets time and transaction",
    "models/base.py": "makes tables STRICT on SQLite",
    "models/jobs.py": "writes a CHECK for each database",
    "models/risk.py": "writes a CHECK for each database",
    "models/sla.py": "writes CHECKs for each database",
    "settings.py": "understands the URLs of both databases",
    "cli/app.py": "declares --postgres",
    "cli/call.py": "hands --postgres on to the settings",
    "cli/db/schema.py": "names the database it prints SQL or roles for",
    "cli/demo.py": "makes its own database, of either kind",
}


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE if path.is_relative_to(SOURCE) else ROOT))


def code_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, line) without docstrings and comments: words are free there."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    hidden: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            hidden |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    for number, line in enumerate(lines, start=1):
        if number not in hidden:
            yield number, line.split("  #")[0] if not line.lstrip().startswith("#") else ""


@pytest.mark.parametrize("path", [*FILES, *TESTS], ids=name_of)
def test_a_file_fits_into_a_head(path: Path) -> None:
    limit = 500 if path.is_relative_to(SOURCE) else 800
    length = len(path.read_text(encoding="utf-8").splitlines())
    assert length <= limit, f"{name_of(path)} has {length} lines, {limit} are allowed: make a package of it"


@pytest.mark.parametrize("stub", sorted(SOURCE.rglob("*.pyi")), ids=name_of)
def test_a_street_offers_what_its_list_names(stub: Path) -> None:
    street = import_module(".".join(["spothive", *stub.parent.relative_to(SOURCE).parts]))
    *imports, offered = ast.parse(stub.read_text(encoding="utf-8")).body
    listed = {alias.name for line in imports if isinstance(line, ast.ImportFrom) for alias in line.names}
    named = ast.literal_eval(offered.value) if isinstance(offered, ast.Assign) else None
    assert listed == set(named or ()), f"{name_of(stub)}: end it with an __all__ of all that it imports"
    lost = [name for name in listed if not hasattr(street, name)]
    assert not lost, f"{name_of(stub)}: {lost} is not where the list says"


def test_only_the_doors_commit() -> None:
    found = [
        f"{name_of(path)}:{number}"
        for path in FILES
        if not name_of(path).startswith(COMMITS_IN)
        for number, line in code_lines(path)
        if ".commit(" in line
    ]
    assert not found, f"{found}: open a get_db_session() block and leave it, that is the commit"


def test_words_of_one_database_stay_in_their_rooms() -> None:
    found = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in FILES
        if not name_of(path).startswith(DIALECT_ROOMS) and name_of(path) not in DIALECT_EXCEPTIONS
        for number, line in code_lines(path)
        if DIALECT_WORDS.search(line)
    ]
    assert not found, f"{found}: ask a function of database/ instead, or add the file with its reason"


def test_every_exception_of_the_dialect_law_is_needed() -> None:
    idle = [
        name
        for name in DIALECT_EXCEPTIONS
        if not any(DIALECT_WORDS.search(line) for _, line in code_lines(SOURCE / name))
    ]
    assert not idle, f"{idle} names no database any more: take it off the list"


def public_definitions(path: Path) -> Iterator[tuple[str, ast.AST]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield "module", tree
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                        yield f"{node.name}.{inner.name}", inner


def test_everything_public_says_what_it_does() -> None:
    silent = [
        f"{name_of(path)}: {name}"
        for path in FILES
        if "versions" not in path.parts
        for name, node in public_definitions(path)
        if not ast.get_docstring(node)  # type: ignore[arg-type]  # a module, function or class, by construction
    ]
    assert not silent, f"{silent}: write a docstring with units and errors, or make the name private"


def test_tests_do_not_sleep() -> None:
    found = [
        f"{name_of(path)}:{number}"
        for path in TESTS
        if "torture" not in path.parts
        for number, line in code_lines(path)
        if re.search(r"\b(time\.)?sleep\(", line) and "pg_sleep" not in line and "test_source" not in path.name
    ]
    assert not found, f"{found}: wait for the thing itself (an event, a barrier, a process), not for time to pass"


def test_nothing_names_a_machine_or_an_index() -> None:
    forbidden = re.compile(r"/(root|home/\w+)/|--(extra-)?index-url|python(hosted)\.org")
    texts = [*TEXTS, ROOT / "pyproject.toml", ROOT / "requirements.lock", ROOT / ".ci" / "run"]
    found = [
        f"{name_of(path)}:{number}"
        for path in texts
        if path.name != "test_source.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if forbidden.search(line)
    ]
    assert not found, f"{found}: the project runs on any machine, from any index"


def test_models_evaluate_their_annotations() -> None:
    files = [*(ROOT / "src/spothive/models").rglob("*.py"), ROOT / "src/spothive/schema/tenancy.py"]
    found = [name_of(path) for path in files if "from __future__ import annotations" in path.read_text("utf-8")]
    assert len(files) > 20
    assert not found, f"{found}: SQLAlchemy would evaluate each annotation as text, in every process"


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings: each title once, the next of its kind with a number."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    slugs = [
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ +(.+?) *$", text, flags=re.MULTILINE)
    ]
    return {slug if n == 0 else f"{slug}-{n}" for i, slug in enumerate(slugs) for n in [slugs[:i].count(slug)]}


def test_links_in_the_docs_lead_somewhere() -> None:
    broken = []
    for page in (path for path in TEXTS if path.suffix == ".md"):
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            name, _, anchor = target.partition("#")
            other = page.parent / name if name else page
            if "://" not in target and "NNNN" not in target:
                found = other.exists() and (not anchor or anchor in anchors_of(other))
                broken += [] if found else [f"{name_of(page)}: {target}"]
    assert not broken, f"{broken}: mend the link"
