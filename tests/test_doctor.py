"""The doctor's findings."""

from __future__ import annotations

from pathlib import Path

from medmae import doctor


def test_this_environment_is_healthy(tmp_path: Path) -> None:
    found = doctor.checks(tmp_path)
    assert doctor.healthy(found), [check for check in found if check.required and not check.ok]
    names = [check.name for check in found]
    assert {"torch", "monai", "pytorch-lightning", "threads", "GPU", "free disk"} <= set(names)


def test_a_missing_required_package_is_not_healthy(monkeypatch) -> None:
    monkeypatch.setattr(doctor.metadata, "requires", lambda _: ["no-such-package>=1", 'other; extra == "prep"'])
    (check,) = doctor._packages()
    assert not doctor.healthy([check])
    assert check.remedy == 'pip install "no-such-package>=1"'


def test_a_version_outside_the_floor_is_not_healthy(monkeypatch) -> None:
    monkeypatch.setattr(doctor.metadata, "requires", lambda _: ["numpy<1"])
    (check,) = doctor._packages()
    assert not doctor.healthy([check])


def test_a_missing_optional_package_is_a_note_with_what_installs_it(monkeypatch) -> None:
    monkeypatch.setattr(doctor.metadata, "requires", lambda _: ['no-such-package; extra == "onnx"'])
    notes = {check.name.split(":")[0]: check for check in doctor._extras()}
    assert not notes["extra onnx"].ok
    assert notes["extra onnx"].remedy == 'pip install "no-such-package"'
    assert doctor.healthy(list(notes.values()))


def test_install_hints_name_packages_never_medmae_itself() -> None:
    assert doctor.install_hint("distributed") == 'pip install "dask[distributed]>=2025.1"'
    assert doctor.install_hint("av.container") == 'pip install "av>=17"'
    assert doctor.install_hint("skimage") == "pip install scikit-image"


def test_the_product_probe_gives_a_plausible_speed() -> None:
    assert 0.1 < doctor.matmul_gflops("cpu", size=128, repeats=2) < 1e6
