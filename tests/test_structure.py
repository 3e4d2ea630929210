"""Imports point down: each module may use those below it and no other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "pooltool"

ORDER = (
    ("__main__",),
    ("cli",),
    ("commands", "comparison"),
    ("report", "plan"),
    ("cluster", "processes"),
    ("job",),
    ("compare", "display"),
    ("", "pooling"),
    ("images", "kernels"),
    ("interrupts",),
    ("files", "native", "geometry"),
    ("errors",),
)
"""Modules and folders of the package, each above those that it may import; the package is ""."""

STRANGERS = {
    "kernels": {"files", "images"},
    "images": {"pooling", "kernels"},
    "compare": {"files", "images"},
}
"""Those below that a folder has nothing to do with: kernels know no files, codecs no pooling."""

OUTSIDE = {
    "click": {"cli"},
    "cv2": {"native", "compare", "display"},
    "numpy": {"comparison", "native", "job", "compare", "display", "images", "kernels", "pooling"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def layer(path: Path) -> str:
    """The module of the package, or the folder, that a file belongs to."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imports(path: Path) -> set[str]:
    """The dotted names that a module imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    level = {name: index for index, names in enumerate(ORDER) for name in names}
    own = layer(path)
    inner = {name.split(".")[1] for name in imports(path) if name.startswith("pooltool.")}
    used = {name if name in level else "" for name in inner} - {own}
    assert all(level[name] > level[own] for name in used if own or name != "pooling"), used
    assert not used & STRANGERS.get(own, set())


def test_modules_of_a_folder_form_no_circle() -> None:
    below = {path: imports(path) for path in FILES}
    names = {path: ".".join(("pooltool", *path.relative_to(PACKAGE).with_suffix("").parts))
             for path in FILES}  # fmt: skip

    def climb(path: Path, above: tuple[Path, ...] = ()) -> None:
        assert path not in above, f"circle: {[names[p] for p in above]}"
        for other in FILES:
            if other.stem != "__init__" and any(
                name == names[other] or name.startswith(f"{names[other]}.") for name in below[path]
            ):
                climb(other, (*above, path))

    for path in FILES:
        if path.stem != "__init__":
            climb(path)


@pytest.mark.parametrize(("package", "users"), OUTSIDE.items())
def test_packages_are_used_where_they_belong(package: str, users: set[str]) -> None:
    found = {
        layer(path)
        for path in FILES
        if any(name.split(".")[0] == package for name in imports(path))
    }
    assert found == users


def test_functions_fit_on_a_screen() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
                assert lines <= 40, f"{path.name}: {node.name} has {lines} lines"
