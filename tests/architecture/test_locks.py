"""Whatever is installed from an index is named by its hash, what builds us included; and no file says where an index is."""

import re
import tomllib
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
LOCKS = sorted(TREE.glob("requirements*.lock"))
SCRIPTS = [TREE / "Makefile", TREE / "deploy" / "Containerfile", *(TREE / "deploy" / "debian").iterdir()]


def locked(path: Path) -> dict[str, set[str]]:
    """Hashes by `name==version`."""
    entries = re.split(r"(?m)^(?=[a-z0-9])", path.read_text())
    return {each.split()[0]: set(re.findall(r"--hash=(sha256:[0-9a-f]{64})", each)) for each in entries if each.strip()}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_package_is_named_by_its_hash_and_no_index_by_its_address(path: Path) -> None:
    assert all(locked(path).values()), "each has a hash"
    assert "://" not in path.read_text()


def test_what_builds_the_wheel_is_what_the_lock_has() -> None:
    """The same versions and hashes as everywhere else, and all that pyproject.toml asks of a builder."""
    building, all_ = locked(TREE / "requirements-build.lock"), locked(TREE / "requirements.lock")
    assert building.items() <= all_.items()
    project = tomllib.loads((TREE / "pyproject.toml").read_text())
    wanted = {re.split(r"[<>=]", each)[0] for each in project["build-system"]["requires"]}
    assert wanted <= {each.split("==")[0] for each in building}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_installs_or_builds_with_what_no_hash_names(path: Path) -> None:
    """A build in isolation fetches the newest builder that there is; so does an installation from a source tree."""
    text = re.sub(r"\\\n", " ", path.read_text())
    for call in re.findall(r"(?:pip|PIP\)|pip\[@\]}\") (?:install|wheel|download) .*", text):
        assert {"--require-hashes", "--no-deps"} & set(call.split()), call
        if re.search(r"^\S+ wheel |--editable| \.$", call):
            assert "--no-build-isolation" in call, call
