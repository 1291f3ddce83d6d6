"""Pages that stand elsewhere in the repository, copied with their links: notebooks, gallery, zoo, claims, changelog."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

PAGES = {
    "ZOO.md": "zoo.md",
    "CLAIMS.md": "claims.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "figures/gallery/README.md": "gallery.md",
}
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)")


def copy(root: Path, docs: Path) -> None:
    """Copies the notebooks into docs/tutorials, the pages into docs, and the pictures into docs/figures/gallery."""
    (docs / "tutorials").mkdir(exist_ok=True)
    for notebook in sorted(root.glob("notebooks/[0-9]*.py")):
        _put(docs / "tutorials" / notebook.name, notebook.read_text())
    gallery = docs / "figures/gallery"  # where notebooks look for it, as in the repository
    gallery.mkdir(parents=True, exist_ok=True)
    for picture in root.glob("figures/gallery/*.png"):
        shutil.copyfile(picture, gallery / picture.name)
    for source, target in PAGES.items():
        _put(docs / target, linked((root / source).read_text(), Path(source).parent))


def linked(text: str, folder: Path) -> str:
    """The text with links that lead within the site; of a file that is no page the name alone remains."""

    def moved(match: re.Match[str]) -> str:
        target = _target(match[3], folder)
        return f"{match[1]}[{match[2]}]({target})" if target else match[2]

    return LINK.sub(moved, text)


def _target(link: str, folder: Path) -> str:
    path, _, anchor = link.partition("#")
    name = _tidy(folder / path)
    if name in PAGES:
        return PAGES[name] + (f"#{anchor}" if anchor else "")
    if name.startswith("figures/gallery/") and name.endswith(".png"):
        return name
    return "tutorials/index.md" if name.startswith("notebooks") else ""


def _tidy(path: Path) -> str:
    parts: list[str] = []
    for part in path.parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def _put(path: Path, text: str) -> None:
    """Writes the text unless it is there already: what is unchanged is not built again."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def quiet_kernels(place: Path) -> Path:
    """A profile of IPython whose kernels report errors only, for IPYTHONDIR."""
    profile = place / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    _put(profile / "ipython_kernel_config.py", 'c.IPKernelApp.log_level = "ERROR"\n')
    return place
