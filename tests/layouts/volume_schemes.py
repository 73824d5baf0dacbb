"""How volumes of public data sets, and of the programs that write them, are named; with whose each one is."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

CONTRASTS = {"T1": "T1", "T2": "T2", "FLAIR": "FLAIR"}
PATIENTS = (1, 2, 3, 4)


@dataclass(frozen=True)
class Scheme:
    """A way of naming.

    Args:
        pattern: Of paths, with ``{p}`` (number of the patient), ``{v}`` (of the visit) and ``{c}`` (of the contrast).
        subject: What the patient is to be called.
        session: What the visit is to be called; empty if there is none.
        contrasts: Words of names -> what they mean; an empty text is a label map, None is nothing of a case.
        patients: Values of ``{p}``.
        visits: Values of ``{v}``.
        refused: What the refusal must say; empty if all is clear.
    """

    pattern: str
    subject: str = ""
    session: str = ""
    contrasts: dict[str, str | None] = field(default_factory=lambda: dict(CONTRASTS))
    patients: tuple = PATIENTS
    visits: tuple = ("",)
    refused: tuple[str, ...] = ()

    def files(self):
        """Path -> (patient, subject, session, contrast)."""
        made = {}
        for p, v, (c, name) in itertools.product(self.patients, self.visits, self.contrasts.items()):
            about = {"p": p, "v": v, "c": c}
            made[self.pattern.format(**about)] = (
                p, self.subject.format(**about), self.session.format(**about), name,
            )  # fmt: skip
        return made


def one(word, name="T1"):
    return {word: name}


BRATS = {"t1": "T1", "t1ce": "T1CE", "t2": "T2", "flair": "FLAIR", "seg": ""}
SCHEMES = {
    # Longitudinal sets, whose visits are folders or endings.
    "LUMIERE": Scheme(
        "Imaging/Patient-{p:03d}/{v}/{c}.nii.gz",
        "Patient-{p:03d}",
        "{v}",
        {"T1": "T1", "CT1": "T1CE", "T2": "T2", "FLAIR": "FLAIR"},
        visits=("week-000-1", "week-000-2", "week-044"),
    ),
    "MSLesSeg": Scheme(
        "train/P{p}/{v}/P{p}_{v}_{c}.nii.gz",
        "P{p}",
        "{v}",
        {**CONTRASTS, "MASK": ""},
        visits=("T1", "T2"),
    ),
    "MSLesSeg, one contrast": Scheme(
        "train/P{p}/{v}/P{p}_{v}_{c}.nii.gz", "P{p}", "{v}", one("FLAIR", "FLAIR"), visits=("T1", "T2")
    ),
    "UPENN-GBM": Scheme(
        "UPENN-GBM-{p:05d}_{v}/UPENN-GBM-{p:05d}_{v}_{c}.nii.gz",
        "UPENN-GBM-{p:05d}",
        "{v}",
        {"T1": "T1", "T1GD": "T1CE", "T2": "T2", "FLAIR": "FLAIR"},
        visits=("11", "21"),
    ),
    "UCSF-PDGM": Scheme(
        "UCSF-PDGM-v3/UCSF-PDGM-{p:04d}{v}_nifti/UCSF-PDGM-{p:04d}{v}_{c}.nii.gz",
        "UCSF-PDGM-{p:04d}",
        "",
        {
            "T1": "T1",
            "T1c": "T1CE",
            "T2": "T2",
            "FLAIR": "FLAIR",
            "SWI": "SWI",
            "DWI": "DWI",
            "ADC": "ADC",
            "tumor_segmentation": "",
            "DTI_eddy_FA": None,
            "ASL": None,
        },
    ),
    "UCSF-PDGM, follow-up": Scheme(
        "UCSF-PDGM-{p:04d}_{v}_nifti/UCSF-PDGM-{p:04d}_{v}_{c}.nii.gz",
        "UCSF-PDGM-{p:04d}",
        "{v}",
        visits=("FU001d", "FU003d"),
    ),
    "ISBI 2015": Scheme(
        "training{p:02d}/preprocessed/training{p:02d}_{v}_{c}_pp.nii",
        "training{p:02d}",
        "{v}",
        {"flair": "FLAIR", "mprage": "T1", "t2": "T2", "pd": "PD"},
        visits=("01", "02", "03"),
    ),
    "OASIS-1": Scheme(
        "disc1/OAS1_{p:04d}_MR1/PROCESSED/MPRAGE/T88_111/OAS1_{p:04d}_MR1_{c}_n4_anon_111_t88_gfc.nii",
        "OAS1_{p:04d}",
        "",
        one("mpr"),
    ),
    "OASIS-2, flat": Scheme("OAS2_{p:04d}_{v}_{c}.nii.gz", "OAS2_{p:04d}", "{v}", visits=("MR1", "MR2")),
    "OASIS-2": Scheme(
        "OAS2_PART1/OAS2_{p:04d}_{v}/RAW/{c}.nii", "OAS2_{p:04d}", "{v}", one("mpr"), visits=("MR1", "MR2")
    ),
    "OASIS-3": Scheme(
        "OAS3{p:04d}_MR_{v}/anat1/NIFTI/sub-OAS3{p:04d}_ses-{v}_run-01_{c}.nii.gz",
        "OAS3{p:04d}",
        "",
        {"T1w": "T1", "T2w": "T2"},
        visits=("d0129", "d3746"),
    ),
    "ADNI": Scheme(
        "ADNI/{p:03d}_S_{p:04d}/MPRAGE/{v}/ADNI_{p:03d}_S_{p:04d}_MR_{c}__br_raw_20060418193538349_1_S12469_I13722.nii",
        "{p:03d}_S_{p:04d}",
        "",
        one("MPRAGE"),
        visits=("2006-04-18_08_20_30.0/I13722", "2007-05-01_09_00_00.0/I54321"),
    ),
    "ADNI, plain names": Scheme(
        "{p:03d}_S_{p:04d}/MPRAGE/{v}/{c}.nii.gz",
        "{p:03d}_S_{p:04d}",
        "",
        one("T1"),
        visits=("2006-04-18_08_20_30.0/I13722", "2007-05-01_09_00_00.0/I54321"),
    ),
    "LMSLS": Scheme(
        "patient{p:02d}/{v}_{c}.nii.gz",
        "patient{p:02d}",
        "{v}",
        {"T1W": "T1", "FLAIR": "FLAIR"},
        visits=("study1", "study2"),
    ),
    "Ljubljana 3D-MR-MS": Scheme(
        "patient{p:02d}/patient{p:02d}_{c}.nii.gz",
        "patient{p:02d}",
        "",
        {"T1W": "T1", "T1WKS": "T1CE", "T2W": "T2", "FLAIR": "FLAIR", "consensus_gt": "", "brainmask": ""},
    ),
    # Single visits.
    "BraTS 2018": Scheme(
        "{v}/Brats18_TCIA{p:02d}_{p}47_1/Brats18_TCIA{p:02d}_{p}47_1_{c}.nii.gz",
        "Brats18_TCIA{p:02d}_{p}47_1",
        "",
        BRATS,
        visits=("HGG",),
    ),
    "BraTS 2020": Scheme(
        "BraTS20_Training_{p:03d}/BraTS20_Training_{p:03d}_{c}.nii", "BraTS20_Training_{p:03d}", "", BRATS
    ),
    "BraTS 2021": Scheme("BraTS2021_{p:05d}/BraTS2021_{p:05d}_{c}.nii.gz", "BraTS2021_{p:05d}", "", BRATS),
    "BraTS 2023": Scheme(
        "BraTS-GLI-{p:05d}-{v}/BraTS-GLI-{p:05d}-{v}-{c}.nii.gz",
        "BraTS-GLI-{p:05d}",
        "{v}",
        {"t1n": "T1", "t1c": "T1CE", "t2w": "T2", "t2f": "FLAIR", "seg": ""},
        visits=("000", "001"),
    ),
    "IXI": Scheme(
        "IXI-{c}/IXI00{p}-Guys-0828-{c}.nii.gz", "IXI00{p}-Guys-0828", "", {"T1": "T1", "T2": "T2", "PD": "PD"}
    ),
    "IXI, one folder": Scheme(
        "IXI00{p}-HH-1211-{c}.nii.gz", "IXI00{p}-HH-1211", "", {"T1": "T1", "T2": "T2", "PD": "PD"}
    ),
    "HCP": Scheme("HCP_1200/10030{p}/T1w/{c}_acpc_dc_restore.nii.gz", "10030{p}", "", {"T1w": "T1", "T2w": "T2"}),
    "ABIDE": Scheme(
        "site{p}/00509{p}{v}/session_1/anat_1/{c}.nii.gz",
        "00509{p}{v}",
        "session_1",
        one("mprage"),
        visits=("12", "57"),
    ),
    "WMH 2017": Scheme(
        "{v}/{p}0/pre/{c}.nii.gz",
        "",
        "",
        {"T1": "T1", "FLAIR": "FLAIR"},
        visits=("Utrecht", "Singapore"),
        refused=("such as Singapore", "such as 10"),
    ),
    "Cam-CAN": Scheme(
        "mri/sub-CC11003{p}/anat/sub-CC11003{p}_{c}.nii.gz", "sub-CC11003{p}", "", {"T1w": "T1", "T2w": "T2"}
    ),
    "Shifts MS": Scheme("train/{c}/{p}_{c}_isovox.nii.gz", "{p}", "", {"flair": "FLAIR", "t1": "T1", "gt": ""}),
    "MSSEG 2016": Scheme(
        "Training/Center_01/Patient_{p:02d}/Preprocessed_Data/{c}_preprocessed.nii.gz",
        "Patient_{p:02d}",
        "",
        {"FLAIR": "FLAIR", "T1": "T1", "DP": None, "T2": "T2"},
    ),
    "ISLES 2022": Scheme(
        "ISLES-2022/sub-strokecase{p:04d}/ses-0001/anat/sub-strokecase{p:04d}_ses-0001_{c}.nii.gz",
        "sub-strokecase{p:04d}",
        "ses-0001",
        {"FLAIR": "FLAIR"},
    ),
    "KiTS": Scheme("case_{p:05d}/{c}.nii.gz", "case_{p:05d}", "", {"CT": "CT", "segmentation": ""}),
    # Programs.
    "planes before the contrast": Scheme(
        "P00{p}/{c}.nii.gz", "P00{p}", "", {"sag_T1": "T1", "ax_T2": "T2", "cor_FLAIR": "FLAIR"}
    ),
    "dcm2niix %f_%p_%t_%s": Scheme(
        "P00{p}/P00{p}_{c}.nii.gz",
        "P00{p}",
        "",
        {"SAG_T1_MPRAGE_20190101_3": "T1", "AX_T2_TSE_20190101_4": "T2", "AX_T2_FLAIR_20190101_5": "FLAIR"},
    ),
    "dcm2niix, time of day": Scheme(
        "P00{p}/P00{p}_{c}.nii.gz",
        "P00{p}",
        "",
        {"t1_mprage_sag_20190101103000_3": "T1", "t2_tse_tra_20190101103000_4": "T2"},
    ),
    "dcm2niix, flat": Scheme(
        "P00{p}_{c}_20190101103000_{v}.nii.gz", "P00{p}", "20190101103000", {"SAG_T1_MPRAGE": "T1"}, visits=("3",)
    ),
    "patient/date": Scheme("patient{p:02d}/{v}/{c}.nii.gz", "patient{p:02d}", "{v}", visits=("20200101", "20210101")),
    "patient/ISO date": Scheme(
        "patient{p:02d}/{v}/{c}.nii.gz", "patient{p:02d}", "{v}", visits=("2020-01-01", "2021-01-01")
    ),
    "surname/date": Scheme(
        "{p}/{v}/{c}.nii.gz", "{p}", "{v}", patients=("Meier_Hans", "Novak"), visits=("2020-01-01", "2021-01-01")
    ),
    "date/patient": Scheme("{v}/P{p:03d}/{c}.nii.gz", "P{p:03d}", "{v}", visits=("2020-01-01", "2021-01-01")),
    "patient_date": Scheme("P{p:03d}_{v}/{c}.nii.gz", "P{p:03d}", "{v}", visits=("20200101", "20210101")),
    "date_patient": Scheme("{v}_AB{p:03d}_{c}.nii.gz", "AB{p:03d}", "{v}", visits=("20200101", "20210101")),
    "patient/number": Scheme("patient{p:02d}/{v}/{c}.nii.gz", "patient{p:02d}", "", visits=("1", "2")),
    "patient/baseline": Scheme("case{p}/{v}/{c}.nii.gz", "case{p}", "{v}", visits=("baseline", "followup_12m", "FU2")),
    "patient/pre and post": Scheme("S{p:02d}/{v}/{c}.nii.gz", "S{p:02d}", "{v}", visits=("preop", "postop")),
    "patient_visit": Scheme("S{p:02d}_{v}_{c}.nii.gz", "S{p:02d}", "{v}", visits=("V1", "V2")),
    "contrast/patient": Scheme("{c}/P{p:03d}.nii.gz", "P{p:03d}", ""),
    "patient/contrast/image": Scheme("p{p}/{c}/image.nii.gz", "p{p}", ""),
    "contrast before the patient": Scheme("{c}_P{p:03d}.nii.gz", "P{p:03d}", ""),
    "site and patient, all different": Scheme("siteA/X{p}{p}7/{c}.nii.gz", "X{p}{p}7", ""),
    "hyphens in BIDS labels": Scheme(
        "sub-KCL-0{p}/anat/sub-KCL-0{p}_{c}.nii.gz", "sub-KCL-0{p}", "", {"T1w": "T1", "T2w": "T2"}
    ),
    "two BIDS sets": Scheme(
        "ds00000{v}/sub-0{p}/anat/sub-0{p}_{c}.nii.gz",
        "ds00000{v}_sub-0{p}",
        "",
        {"T1w": "T1"},
        visits=("1", "2"),
    ),
    "BIDS with derivatives": Scheme(
        "{c}.nii.gz",
        "sub-0{p}",
        "",
        {
            "sub-01/anat/sub-01_T1w": "T1",
            "derivatives/lesions/sub-01/anat/sub-01_label-lesion_mask": "",
            "derivatives/n4/sub-01/anat/sub-01_desc-n4_T1w": None,
            "sourcedata/sub-01/anat/sub-01_T1w": None,
        },
        patients=(1,),
    ),
    "contrast agents and maps": Scheme(
        "P{p:02d}/{c}.nii.gz",
        "P{p:02d}",
        "",
        {
            "AX_T1_pre_contrast": "T1",
            "AX_T1_POST_GAD": "T1CE",
            "T2_SPACE_FLAIR": "FLAIR",
            "T2_lesionmask": "",
            "T1_map": None,
            "localizer": None,
            "T2": "T2",
        },
    ),
    "T1 FLAIR": Scheme("P{p:02d}/{c}.nii.gz", "P{p:02d}", "", {"AX_T1_FLAIR": "T1", "AX_T2_FLAIR": "FLAIR"}),
    "PI-CAI, flat": Scheme(
        "1000{p}_{v}_{c}.mha", "1000{p}", "{v}", {"t2w": "T2", "adc": "ADC"}, visits=("1000000", "1000001")
    ),
    "XNAT, an export of series": Scheme(
        "PROJ_E0000{p}/scans/{c}/resources/NIFTI/files/image.nii.gz",
        "PROJ_E0000{p}",
        "",
        {"4-T1": "T1", "5-T2_ax": "T2"},
    ),
    "dcm2niix, what it made of an image": Scheme(
        "P00{p}/{c}.nii.gz",
        "P00{p}",
        "",
        {"T1_mprage_3": "T1", "T1_mprage_3_Crop_1": None, "T1_mprage_3_Eq_1": None, "T2_4": "T2", "T2_4_Tilt_1": None},
    ),
    "FreeSurfer, with its template": Scheme(
        "{c}.mgz",
        "bert0{p}",
        "",
        {"bert01/mri/T1": "T1", "fsaverage/mri/T1": None, "bert01/mri/aseg": ""},
        patients=(1,),
    ),
    "numbered controls, in German": Scheme("{v}{p}/{c}.nii.gz", "{v}{p}", "", visits=("Kontrolle", "Patient")),
    "numbered persons of an experiment": Scheme("VP0{p}/{c}.nii.gz", "VP0{p}", ""),
    "SPM and CAT12": Scheme(
        "AB0{p}/{c}.nii",
        "AB0{p}",
        "",
        {"T1": "T1", "mT1": None, "wmT1": None, "c1T1": None, "y_T1": None, "mri/p0T1": None, "mri/mwp1T1": None},
    ),
    "SPM, names of patients": Scheme(
        "{c}.nii",
        "AB01",
        "",
        {"AB01_T1": "T1", "rAB01_T1": None, "swrAB01_T1": None, "c2AB01_T1": None},
        patients=(1,),
    ),
    # What nobody can tell.
    **{
        f"dates in other forms, {form}": Scheme(
            form + "/{c}.nii.gz",
            patients=("meier", "novak"),
            visits=visits,
            refused=("2 subjects, such as meier, with several visits", "4 subjects, one a name"),
        )
        for form, visits in {
            "{v}_{p}": ("240131", "240601"),
            "{p}_{v}": ("310124", "010624"),
            "{p}{v}": ("20240131", "20240601"),
            "{v}-{p}": ("31.01.24", "01.06.24"),
            "{p} {v}": ("Jan2024", "Mai2024"),
            "{p}-{v}": ("202401", "202406"),
            "{p}.{v}": ("2023", "2024"),
        }.items()
    },
    "words that are numbered": Scheme(
        "{p}{v}/{c}.nii.gz",
        patients=("meier", "novak"),
        visits=("1", "2"),
        refused=("2 subjects, with several visits", "4 subjects, one a name"),
    ),
    "two words that are numbered": Scheme(
        "meier{v}/{c}.nii.gz", patients=("",), visits=("1", "2"), refused=("1 subject", "2 subjects")
    ),
    "a number and a number": Scheme(
        "7{p}31_{v}{p}/{c}.nii.gz", visits=("100000", "100001"), refused=("4 subjects, such as 7131", "8 subjects")
    ),
    "other letters": Scheme(
        "{v}0{p}/{c}.nii.gz", visits=("A", "\u0410"), refused=("CYRILLIC CAPITAL LETTER A", "1 subject", "2 subjects")
    ),
    "a letter for a digit": Scheme("A{v}{p}/{c}.nii.gz", visits=("0", "O"), refused=("1 subject", "2 subjects")),
    "umlauts": Scheme(
        "{v}/{c}.nii.gz",
        patients=("",),
        visits=("M\u00fcller", "Mueller", "Muller"),
        refused=("1 subject", "3 subjects"),
    ),
    "names the other way round": Scheme(
        "{v}/{c}.nii.gz", patients=("",), visits=("Meier_Hans", "HANS MEIER"), refused=("1 subject", "2 subjects")
    ),
    "capital visits glued to BIDS labels": Scheme(
        "sub-{p:03d}{v}/anat/sub-{p:03d}{v}_{c}.nii.gz",
        contrasts={"T1w": "T1"},
        visits=("V1", "V2"),
        refused=("4 subjects", "8 subjects"),
    ),
    "sites of unknown names that count from 1": Scheme(
        "{v}/P{p:02d}/{c}.nii.gz",
        visits=("K\u00f6ln", "Z\u00fcrich"),
        refused=("2 subjects, such as K\u00f6ln", "4 subjects, such as P01", "8 subjects, such as K\u00f6ln/P01"),
    ),
    "numbers in numbers": Scheme(
        "AB{p}/{v}/{c}.nii.gz", visits=("1", "2"), refused=("4 subjects, such as AB1", "2 subjects, such as 1")
    ),
    "endings": Scheme(
        "X{p:03d}_{v}/{c}.nii.gz",
        visits=("1", "2"),
        refused=("4 subjects, with several visits", "8 subjects, one a name"),
    ),
    "letters at the end": Scheme("X{p:03d}{v}_{c}.nii.gz", visits=("a", "b"), refused=("4 subjects", "8 subjects")),
    "sites that count from 1": Scheme(
        "site{v}/p{p}/{c}.nii.gz", visits=("A", "B"), refused=("4 subjects, p1 being one", "8 subjects, p1 of each")
    ),
    "train and test that count from 1": Scheme(
        "{v}/p{p}/{c}.nii.gz", visits=("train", "test"), refused=("4 subjects", "8 subjects")
    ),
    "folders of unknown names": Scheme(
        "KKI{p}/X{p}{v}9/{c}.nii.gz", visits=("1", "2"), refused=("such as KKI1", "such as X119")
    ),
    "visits alone": Scheme(
        "study{p}/{c}.nii.gz", refused=("1 subject, with several visits", "4 subjects, one a folder")
    ),
    "case": Scheme(
        "sub-{v}{p}/anat/sub-{v}{p}_{c}.nii.gz",
        contrasts={"T1w": "T1"},
        visits=("a", "A"),
        refused=("1 subject", "2 subjects"),
    ),
    "padding": Scheme(
        "sub-{v}{p}/anat/sub-{v}{p}_{c}.nii.gz",
        contrasts={"T1w": "T1"},
        visits=("", "0"),
        refused=("1 subject", "2 subjects"),
    ),
    "blanks": Scheme("Patient{v}{p}/{c}.nii.gz", visits=("", " "), refused=("1 subject", "2 subjects")),
    "hyphen and underscore": Scheme("Patient{v}{p}/{c}.nii.gz", visits=("-", "_"), refused=("1 subject", "2 subjects")),
    "Unicode forms": Scheme(
        "{v}{p}/{c}.nii.gz", visits=("Mu\u0308ller", "M\u00fcller"), refused=("1 subject", "2 subjects")
    ),
    "visits glued to BIDS labels": Scheme(
        "sub-{p:02d}{v}/anat/sub-{p:02d}{v}_{c}.nii.gz",
        contrasts={"T1w": "T1"},
        visits=("pre", "post"),
        refused=("4 subjects", "8 subjects"),
    ),
    "sides": Scheme(
        "90000{p}9_{v}/{c}.nii.gz",
        visits=("LEFT", "RIGHT"),
        refused=("4 subjects, such as 9000019", "8 subjects, one a name"),
    ),
    "visits in another language": Scheme(
        "P{p:02d}_{v}_{c}.nii.gz", visits=("vorher", "nachher"), refused=("4 subjects, such as P01", "8 subjects")
    ),
    "scanners": Scheme("X{p:02d}_{v}/{c}.nii.gz", visits=("3T", "7T"), refused=("4 subjects", "8 subjects")),
    "short dates": Scheme("X{p:02d}_{v}/{c}.nii.gz", visits=("200101", "210101"), refused=("4 subjects", "8 subjects")),
    "UK Biobank": Scheme(
        "100001{p}_20252_{v}_0/{c}.nii.gz", visits=("2", "3"), refused=("4 subjects, such as 1000011", "8 subjects")
    ),
    "copies of folders": Scheme(
        "X{p:02d}{v}/{c}.nii.gz", visits=("", " - Copy"), refused=("4 subjects, such as X01", "8 subjects")
    ),
    "surnames that are numbered": Scheme(
        "{p}_{v}/{c}.nii.gz",
        patients=("Meier", "Novak", "\u0418\u0432\u0430\u043d\u043e\u0432"),
        visits=("1", "2"),
        refused=("3 subjects, such as Meier", "6 subjects, one a name"),
    ),
    **{
        f"visits that few have, {v}": Scheme(
            "P{p}/{c}.nii.gz",
            patients=("01", f"01{v}", "02"),
            refused=("2 subjects, with several visits", "3 subjects"),
        )
        for v in ("bis", "(1)", "_II", "_2nd", "R", "neu")
    },
    "days and months of one digit": Scheme(
        "{p} {v}/{c}.nii.gz",
        patients=("Meier", "Novak"),
        visits=("3.4.19", "12.11.20"),
        refused=("2 subjects, such as Meier, with several visits", "4 subjects, one a name"),
    ),
    "titles": Scheme(
        "{p}/{c}.nii.gz",
        patients=("Dr. Eva Meier", "Meier, Eva", "Novak"),
        refused=("1 subject", "2 subjects, as they"),
    ),
    "series as dcm2niix numbers them": Scheme(
        "{c}.nii.gz",
        contrasts={"t1_mprage_sag_3": "T1", "t1_mprage_sag_4a": "T1", "t2_flair_501": "FLAIR"},
        patients=("",),
        refused=("1 subject, with several series", "3 subjects, one a number", "T1 3, T1 4a, FLAIR 501"),
    ),
    "series of one contrast": Scheme(
        "nifti/{c}_{p}.nii.gz", contrasts=one("t1_mprage_sag"), refused=("1 subject", "4 subjects, one a number")
    ),
    "series of two days": Scheme(
        "{c}.nii.gz",
        contrasts={
            f"{name}_{day}_{n}": kind
            for day in (20200131, 20200201)
            for name, n, kind in (("t1", 3, "T1"), ("t2", 4, "T2"))
        },
        patients=("",),
        refused=("2 subjects, with several series", "2 subjects, one a number"),
    ),
    "series whose numbers come first": Scheme(
        "{c}.nii.gz",
        contrasts={"3_t1_mprage_sag": "T1", "4_t2_tse": "T2", "5_t2_flair": "FLAIR"},
        patients=("",),
        refused=("1 subject, with several series", "3 subjects, one a number", "T1 3, T2 4, FLAIR 5"),
    ),
    "patients whose numbers come first": Scheme("{p}_{c}.nii.gz", "{p}", contrasts=one("T1")),
    "numbers behind two contrasts": Scheme("{c}_{p}.nii.gz", "{p}", contrasts={"T1": "T1", "T2": "T2"}),
    "padded numbers behind a contrast": Scheme("{c}_{p:02d}.nii.gz", "{p:02d}", contrasts=one("T1")),
    "more numbers than one study has series": Scheme(
        "{c}_{p}.nii.gz", "{p}", contrasts=one("T1"), patients=tuple(range(1, 23))
    ),
    "UIDs": Scheme(
        "1.2.840.113619.2.{p}.77/{c}.nii.gz",
        refused=("names are UIDs", "1 subject, or some more", "4 subjects, one a UID"),
    ),
    "two scripts": Scheme(
        "{p}/{c}.nii.gz",
        patients=("Ivanov", "\u0418\u0432\u0430\u043d\u043e\u0432", "Petrova"),
        refused=("CYRILLIC", "LATIN", "2 subjects, or some more", "3 subjects, as they are written"),
    ),
    "a word and a name of two scripts": Scheme(
        "Klinik {p}/{c}.nii.gz", "Klinik {p}", patients=("\u738b\u4f1f", "\u674e\u5a1c", "\u5f20\u654f")
    ),
    "groups that are numbered": Scheme(
        "{p}_{v:02d}/{c}.nii.gz", "{p}_{v:02d}", patients=("AD", "HC"), visits=(1, 2, 3)
    ),
}
