"""The words that :mod:`medmae.data.contrasts` reads: of contrasts, agents, masks, maps, other images and derived ones.

Words are small letters without accents and without what separates them.
"""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["contrast", "label", "map", "other", "unknown"]

# Spelling (lower case, without separators) -> the one name used from here on.
CONTRASTS = {
    **dict.fromkeys(
        ("t1", "t1w", "t1n", "t1native", "st1w", "mprage", "mpr", "spgr", "fspgr", "bravo", "unit1", "t1flair"), "T1"
    ),
    **dict.fromkeys(("t1c", "t1cw", "t1km", "t1ks", "t1wks", "ct1", "t1+c", "t1w+c", "t1gd", "t1gad", "t1ce"), "T1CE"),
    **dict.fromkeys(("t2", "t2w", "st2w"), "T2"),
    **dict.fromkeys(
        ("flair", "fla", "t2f", "t2flair", "t2wflair", "st2wflair", "flairw", "flairt2", "flairt2w"), "FLAIR"
    ),
    **dict.fromkeys(("pd", "pdw", "protondensity"), "PD"),
    **dict.fromkeys(("t2star", "t2starw", "t2*", "t2*w", "gre"), "T2STAR"),
    "pdt2": "PDT2",
    **dict.fromkeys(("swi", "swan"), "SWI"),
    "adc": "ADC",
    "dwi": "DWI",
    "ct": "CT",
}
T1_WORDS = ("t1", "t1w", "st1w", "mprage", "mpr", "spgr", "fspgr", "bravo", "t1flair")
_AGENT = (
    r"(?:gd|gad|gado|gadolinium|gadovist|dotarem|magnevist|gbca|ce|cont|contrast|post|postcontrast|postgd|postgad|km|ks|"
    r"nachkm|postkm|kontrast(?:mittel)?|contrast[eo]|mdc|enh|enhanced|wc|c\+|\+(?:c|ce|gd|km|contrast))"
)
AGENT_WORD = re.compile(_AGENT)
T1_WITH_AGENT = re.compile(rf"(t1w?)(?:{_AGENT})+")
REFORMAT = "mpr"  # beside another contrast a multiplanar reformat of it; alone, as in OASIS, an MPRAGE
# What an image may have been taken after: "post" before one of these is a visit, and no agent.
EVENT = re.compile(
    r"op|opera\w*|surg\w*|treat\w*|thera\w*|c?rt|rct|radi\w*|chemo\w*|resect\w*|stroke|ictal|seizure|biops\w*|implant\w*|"
    r"transplant\w*|injur\w*|trauma\w*|tbi|partum|mortem|covid\w*|train(?:ing)?|interven\w*|stimul\w*|dbs|tms|ect"
)
T2STAR_WORDS = {"hemo", "haemo", "ffe", "fl2d", "medic", "me2d"}  # sequences of T2* that are called T2
DIFFUSION = {"diff", "epi", "dti"}  # of which an ADC is a part: ep2d_diff_3scan_trace_ADC
DENIED = {
    *("pre", "non", "no", "without", "wo", "w/o", "native", "nativ", "unenhanced", "precontrast", "noncontrast"),
    *("ohne", "vor", "sans", "avant", "sin", "senza", "zonder"),
}
LABEL = re.compile(
    r"(?:.*(?:mask|masks|seg|segm|segmentations?|segmented|segmentierung|segmentacion|labels?|labelmap|lesions?|dseg|groundtruth|goldstandard)"
    r"|gt|gold|ground|consensus|manual|roi|rois|aseg|aparc|wmparc|parc|parcellation|ribbon|tissues|tumou?rs?|tumeurs?|l(?:ae?|e)sion(?:e[ns]?)?|masque|mask[ae]n?|maschera|mascar(?:a|illa)|wmh|[gcp]tv"
    r"|oars?|contours?|kontur(?:en)?|delineations?|annotations?|binary|thresh|thresholded)\d?"
)
MAP = re.compile(
    r"(?:.*(?:map|maps|fieldmap)|(?:sh)?molli|qt[12]|quantt[12]|t1rho|rho|residuals?|r1|r2|r2s|r2star|mtr|mtsat|mwf|cb[fv]|rcb[fv]|mtt|ttp|tmax|ktrans|kep|"
    r"prob|probability|probabilities|pve|pveseg|posteriors?|phase|phasediff|phase[12]|magnitude[12]?|qsm|chimap|warp|"
    r"jacobian|xfm|deformation|displacement|uncertainty|fa|kurtosis|tensor|bias|biasfield|ratio|snr|defacemask|b0map|b1map|karte|carte|mixeltype)"
)
OTHER = re.compile(
    r"(?:bold|fmri|rest|localizer|localiser|loc|scout|survey|aahscout|calibration|asset|smartbrain|mip|minip|"
    r"asl|perfusion|dsc|dce|tof|mra|cta|ctp|angio|diff|bvec|bval|sbref|epi|dti|mosaic|screenshot|report|pet|spect|suv|florbeta\w+|flortaucipir)"
)
# Whatever else a name says: shares of a tissue are no label map, and a projection or a difference is no image of it.
ALWAYS_MAP = re.compile(
    r"prob|probmap|probs|probability|probabilities|probseg|posteriors?|pve|pveseg|mixeltype|(?:s?m?w|r)c[1-6].*"
)
ALWAYS_OTHER = re.compile(
    r"m(?:in)?ip|(?:3|three|tri)pl(?:anes?)?|planscan|localizers?|localisers?|subtraction|subtracted|difference|screenshot"
)
# How SPM and CAT12 begin the names of tissues, and of what becomes of them: before a capital or what else begins a
# name of its own, for small letters and digits, or a visit, may be a patient's.
TISSUE = re.compile(
    r"(?:(?:s\d*|u_)?(?:m\d?)*[wr]*(?:c[1-6]|p[0-7])(?=[A-Z][A-Za-z\d]|sub-|anat|struct)|(?:m\d?)*[wr]+p[0-7](?=[A-Za-z]))"
    r"(?!(?i:pre|post|base|bl|visit|v\d|scan|fu|follow|ses|day|week|month|tp|mr))"
)
FIELDS = {"y", "iy"}  # of deformation, as the first word
# At the beginning of a name: nobody's image.
TEMPLATE = re.compile(r"mni\d*\w*|icbm\d*|colin27|avg\d+|fsaverage\d?|tpl|templates?|vorlage")
TEMPLATE_FOLDER = re.compile(r"fsaverage\w*|tpl-\w+|templates?|atlas(?:es)?|mni152\w*", re.IGNORECASE)
# Other modalities, which are on the grid of the contrast that follows.
MODALITY = re.compile(r"r?(?:pet|fdg|spect|suv|pib|av45|florbeta\w+|flortaucipir|rtdose|dose)")
# Behind a contrast, where nobody's name stands: what was computed from the image.
DERIVED: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        "label",
        re.compile(
            r"outlines?|annots?|parcels|o?edema|odem|necro(?:sis|tic)|ncr|enhancingtumou?r|infarct(?:ion)?s?|infarkte?|"
            r"h(?:a)?emorrhages?|bleed(?:ing)?s?|blutung(?:en)?|h(?:a)?ematomas?|microbleeds?|cmbs?|hyperintensit(?:y|ies)|"
            r"cysts?|metastas[ei]s|nodules?|resection|cavity|ventri(?:cles?|kel)|cortex|thalam(?:us|i)|"
            r"caudate|putamen|pallidum|amygdalae?|cerebellum|hemispheres?|lobes?|gyri|sulci|skull|scalp|vessels?|veins?|"
            r"arter(?:y|ies)|tracts?|bundles?|zones?|[pt]z|tumou?rcore|wholetumou?r"
        ),
    ),
    (
        "map",
        re.compile(
            r"mapping|gm|wm|csf|ph|pha|real|imag|jac|thickness|noise|saliency|dist|distance|sdf|entropy|variance|gradients?|"
            r"edges?|laplacian|weights?|attention|gradcam|error|confidence|curv(?:ature)?|sulc|relax(?:ometry|ation)?|"
            r"[tzf]stats?|pvals?|shading"
        ),
    ),
    (
        "other",
        re.compile(
            r"subtr(?:act)?|minus|delta|pred|preds|predict(?:ion|ed)|synth|synthetic|synthsr|fake|gan|generated|overlay|snapshot|thumbnail|preview|rgb|"
            r"montage|qc|figure|surf(?:ace)?|mesh|atlas|templates?"
        ),
    ),
)
LAST = re.compile(r"et|ed|wt|tc|net|core")  # parts of a tumour, as the last word of a name
# What an image was corrected for, freed from or taken for, by the word behind it.
CORRECTED = {
    "corrected",
    "corr",
    "correct",
    "correction",
    "removed",
    "stripped",
    "strip",
    "suppressed",
    "free",
    "wall",
    "base",
}
RATER = re.compile(r"(?:rater|reader|annotator|observer|expert|radiologist|doctor)\d{0,2}")
# FLAIR_to_T1 is a FLAIR: a contrast after one of these words is the grid, not the image.
SPACE_WORDS = {"to", "in", "on", "onto", "into", "reg", "regto", "registered", "coreg", "coregistered", "aligned"}
SPACE = re.compile(r"(?<![A-Za-z])space-[A-Za-z0-9]+")
NO_IMAGE_TYPES = {"localizer", "projection image", "mip", "minip", "subtract", "screen save"}  # of ImageType
