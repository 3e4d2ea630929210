"""Imports point down: each module may use those below it and no other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "pooltool"
STANDARD = {"pooltool"}

MAY_IMPORT = {
    "__init__": {"errors", "pooling"},
    "__main__": {"cli"},
    "cli": {"console", "batch", "errors", "formats", "geometry", "__init__"},
    "console": {"report", "batch", "plan", "executors", "interrupts", "files", "errors"},
    "report": {"batch", "plan", "geometry"},
    "batch": {
        "executors",
        "plan",
        "files",
        "images",
        "errors",
        "formats",
        "geometry",
        "kernels",
        "pooling",
    },
    "plan": {"files", "formats", "errors"},
    "executors": {"errors"},
    "interrupts": {"files", "errors"},
    "pooling": {"errors", "geometry", "kernels"},
    "images": {"errors", "formats"},
    "formats": {"errors"},
    "files": {"errors"},
    "kernels": {"geometry", "means"},
    "means": {"errors"},
    "geometry": {"errors"},
    "errors": set(),
}
OUTSIDE = {
    "click": {"cli", "console", "report"},
    "cv2": {"images"},
    "numpy": {"batch", "plan", "images", "kernels", "means", "pooling"},
}


def imports(path: Path) -> set[str]:
    """The dotted names that a module imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner if node.module == "pooltool" else {node.module or ""}
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_imports_point_down(path: Path) -> None:
    inner = {name.split(".")[1] for name in imports(path) if name.startswith("pooltool.")}
    inner = {name if name in MAY_IMPORT else "__init__" for name in inner}
    assert inner <= MAY_IMPORT[path.stem]


@pytest.mark.parametrize(("package", "users"), OUTSIDE.items())
def test_packages_are_used_where_they_belong(package: str, users: set[str]) -> None:
    found = {
        path.stem
        for path in PACKAGE.glob("*.py")
        if any(name.split(".")[0] == package for name in imports(path))
    }
    assert found <= users


def test_the_rule_has_no_circle() -> None:
    below: dict[str, set[str]] = {}

    def reach(module: str, path: tuple[str, ...] = ()) -> set[str]:
        assert module not in path, f"circle: {path}"
        if module not in below:
            direct = MAY_IMPORT[module] - {"__init__"}
            below[module] = direct.union(*(reach(m, (*path, module)) for m in direct))
        return below[module]

    for module in MAY_IMPORT:
        reach(module)


def test_functions_fit_on_half_a_screen() -> None:
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
                assert lines <= 30, f"{path.name}: {node.name} has {lines} lines"
