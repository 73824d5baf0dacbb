"""What a synthesis is scored by, and where; and the files that say so."""

RECORD, SCORES, MONTAGES = "metrics.json", "metrics.csv", "montage"
CONTESTANTS = "contestants.csv"
ERROR_LIMIT = 0.3  # upper end of the error map of every synthesis, so that pictures of different runs compare
LABELS = {  # metric -> label, unit
    "psnr": ("PSNR", "dB"),
    "ssim": ("SSIM", ""),
    "nmse": ("NMSE", ""),
    "mae": ("Mean absolute error", ""),  # of intensities from 0 to 1
    "stripe": ("Stripe ratio", ""),
    "blockiness": ("Blockiness", ""),
}
REGIONS = {  # a variant of each metric -> label
    "foreground": "Foreground",
    "lesion": "Lesion label",
    "brain": "Brain mask",
    "whole": "Whole volume",
    "reference": "Reference definition",
}
