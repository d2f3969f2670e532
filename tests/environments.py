"""Python environments for tests of what is installed: cheap ones, or made from scratch by ``make artefact``."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path


def from_scratch() -> bool:
    """Whether everything is to be installed: a minute or more."""
    return os.environ.get("ARTEFACT_ENVIRONMENT") == "empty"


def see_what_is_installed_here(venv: Path) -> None:
    """Let an environment, made or yet to be made, see what this one has installed, but not the source tree."""
    site = Path(sysconfig.get_path("purelib", vars={"base": str(venv), "platbase": str(venv)}))
    site.mkdir(parents=True, exist_ok=True)
    # .pth files of that folder aren't read, so the editable install of the source tree isn't seen
    (site / "pinned.pth").write_text(f"{Path(sysconfig.get_path('purelib')).resolve()}\n")
    (venv / "bin").mkdir(exist_ok=True)
    for name, module in (("airflow", "airflow.__main__"), ("pip", "pip._internal.cli.main")):
        launcher = venv / "bin" / name
        launcher.write_text(f"#!{venv / 'bin' / 'python'}\nimport sys\nfrom {module} import main\nsys.exit(main())\n")
        launcher.chmod(0o755)
