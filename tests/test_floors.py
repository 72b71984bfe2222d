"""Imports go down only: a reader who has read a floor needs nothing from above it."""

import ast
import sys
from functools import cache
from pathlib import Path

import tinygrad_nd

ROOT = Path(tinygrad_nd.__file__).parent
FLOORS = [  # lowest first; what stands in one set may import each other
    {"kernels", "tree", "atomic", "arguments", "elsewhere", "titles"},
    {"node"},
    {"values"},
    {"tensor", "array_methods", "interchange"},
    {"operation"},
    {"tape"},
    {"ops"},
    {"sweep", "fft", "linalg"},
    {"methods", "dispatch"},
    {"transforms", "checkpoint", "replay"},
    {"files"},
    {"testing", "debug", "draw", "nn", "init", "optim", "data", "random", "plot"},
    {"shapes"},
    {"training"},
    {"__init__", "later"},
]
REQUIRED = {"numpy", "graphviz"}
OPTIONAL = {"scipy", "threadpoolctl", "llvmlite", "pygraphviz", "matplotlib", "tqdm"}
TYPES_ONLY = "TYPE_CHECKING"
STATEMENTS = ast.stmt, ast.excepthandler, ast.match_case  # imports are in no expression


def files():
    return sorted(ROOT.rglob("*.py"))


def module_of(path):
    parts = list(path.relative_to(ROOT.parent).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


@cache
def imports(path):
    """[(dotted names imported, whether inside a function, whether for types only, line)] for every import of a file."""
    package = path.relative_to(ROOT.parent).with_suffix("").parts[:-1]

    def walk(node, inside, types):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split("."), inside, types, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            for alias in node.names:
                yield [*base, alias.name], inside, types, node.lineno
        types = types or (isinstance(node, ast.If) and TYPES_ONLY in ast.dump(node.test))
        inside = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for child in ast.iter_child_nodes(node):
            if isinstance(child, STATEMENTS):
                yield from walk(child, inside, types)

    return list(walk(ast.parse(path.read_text(encoding="utf-8")), False, False))


def floor_of(dotted):
    part = dotted[1] if len(dotted) > 1 else "__init__"
    for height, names in enumerate(FLOORS):
        if part in names:
            return height
    return FLOORS.index({"__init__"})  # a name of the package itself


def place(path):
    return str(path.relative_to(ROOT.parent))


def test_files_import_from_their_own_floor_or_below():
    for path in files():
        own = floor_of(module_of(path))
        for dotted, _, types_only, line in imports(path):
            if dotted[0] == ROOT.name and not types_only:
                assert floor_of(dotted) <= own, f"{place(path)}:{line} imports {'.'.join(dotted)} from a floor above"


def test_files_stand_on_known_floors():
    for path in files():
        dotted = module_of(path)
        assert len(dotted) == 1 or any(dotted[1] in names for names in FLOORS), f"{place(path)}: which floor is it on?"


def test_module_level_imports_need_only_the_default_dependencies():
    for path in files():
        for dotted, inside, types_only, line in imports(path):
            top = dotted[0]
            if top == ROOT.name or top in sys.stdlib_module_names:
                continue
            assert top in REQUIRED | OPTIONAL, f"{place(path)}:{line} imports {top}, which no extra names"
            if top not in REQUIRED and not types_only and path.parent.name != "engines":  # these are themselves imported when asked for
                assert inside, f"{place(path)}:{line} imports the optional {top} outside a function"


def test_kernels_have_never_heard_of_a_tensor():
    for path in (ROOT / "kernels").rglob("*.py"):
        for dotted, _, _, line in imports(path):
            assert dotted[0] != ROOT.name or dotted[1] == "kernels", f"{place(path)}:{line}"
        text = path.read_text(encoding="utf-8")
        if "Tensor" in text or "Node" in text:
            assert not {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)} & {"Tensor", "Node"}, place(path)


def test_imports_within_the_package_form_no_cycle():
    graph = {}
    for path in files():
        graph[".".join(module_of(path))] = {
            name
            for dotted, _, types_only, _ in imports(path)
            if dotted[0] == ROOT.name and not types_only
            for name in (".".join(dotted), ".".join(dotted[:-1]))
        }
    graph = {m: {d for d in deps if d in graph and d != m and d != ROOT.name} for m, deps in graph.items()}
    graph = {m: {d for d in deps if not m.startswith(d + ".")} for m, deps in graph.items()}  # a package is loaded before what it holds
    while graph:
        leaves = [m for m, deps in graph.items() if not deps & graph.keys()]
        assert leaves, f"a cycle among {sorted(graph)}"
        for m in leaves:
            del graph[m]


def test_the_package_itself_only_imports():
    body = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8")).body
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)
    for node in body:
        if isinstance(node, ast.If) and TYPES_ONLY in ast.dump(node.test):
            continue
        assert isinstance(node, allowed), f"__init__.py:{node.lineno}"
        if isinstance(node, ast.Assign):
            assert {t.id for t in node.targets if isinstance(t, ast.Name)} <= {"__all__", "__version__"}
        if isinstance(node, ast.Expr):
            assert isinstance(node.value, ast.Constant)
