"""Every word of the grammar of contrasts says what it is there to say; without this test one could go unnoticed."""

from __future__ import annotations

import pytest

from medmae.data.contrasts import read_name

AGENTS = """gd gad gado gadolinium gadovist dotarem magnevist gbca ce cont contrast post postcontrast postgd postgad km
ks nachkm postkm kontrast kontrastmittel contraste contrasto mdc enh enhanced wc c+ +c +ce +gd +km +contrast"""
DENIALS = "pre non no without wo native nativ unenhanced ohne vor sans avant sin senza zonder"
EVENTS = """op operation operative surgery surgical treatment treated therapy rt crt rct radiation radiotherapy chemo
chemotherapy resection stroke ictal seizure biopsy implant transplant injury trauma tbi partum mortem covid
training intervention stimulation dbs tms ect"""
LABELS = """mask masks lesionmask seg segm segmentation segmented segmentierung segmentacion label labels labelmap
lesion lesions dseg groundtruth goldstandard gt gold ground consensus manual roi rois aseg aparc wmparc parc
parcellation ribbon tissues tumor tumour tumors tumeur tumeurs laesion lasionen lesionen lesiones masque
maske masken maschera mascara mascarilla wmh gtv ctv ptv oar oars contour contours kontur konturen
delineation delineations annotation annotations binary thresh thresholded outline outlines annot annots
parcels edema oedema odem necrosis necrotic ncr enhancingtumor infarct infarction infarcts infarkt infarkte
hemorrhage haemorrhages bleed bleeding blutung blutungen hematoma haematomas microbleed microbleeds cmb cmbs
hyperintensity hyperintensities cyst cysts metastasis metastases nodule nodules resection cavity ventricle
ventricles ventrikel cortex thalamus thalami caudate putamen pallidum amygdala amygdalae cerebellum
hemisphere hemispheres lobe lobes gyri sulci skull scalp vessel vessels vein veins artery arteries tract
tracts bundle bundles zone zones pz tz tumorcore wholetumour et ed wt tc net core"""
MAPS = """map maps b1fieldmap molli shmolli rho residual residuals r1 r2 r2s r2star mtr mtsat mwf cbf cbv rcbf rcbv
mtt ttp tmax ktrans kep prob probability probabilities probmap probs probseg pve pveseg posterior posteriors
phase phasediff phase1 magnitude magnitude1 qsm chimap warp jacobian xfm deformation displacement
uncertainty fa kurtosis tensor bias biasfield ratio snr b0map b1map karte carte mixeltype mapping gm wm csf
ph pha real imag jac thickness noise saliency dist distance sdf entropy variance gradient gradients edge
edges laplacian weight weights attention gradcam error confidence curv curvature sulc relax relaxometry
relaxation tstat zstats fstat pval pvals shading"""
OTHERS = """bold fmri rest localizer localiser localizers loc scout survey aahscout calibration asset smartbrain mip
minip asl perfusion dsc dce tof mra cta ctp angio diff bvec bval sbref epi dti mosaic screenshot report pet
spect suv florbetapir flortaucipir 3plane threeplanes tripl planscan subtraction subtracted difference subtr
subtract minus delta sub pred preds predicted prediction synth synthetic synthsr fake gan generated overlay
snapshot thumbnail preview rgb montage qc figure surf surface mesh atlas template templates"""
MODALITIES = "pet rpet fdg spect suv pib av45 florbetapir flortaucipir rtdose dose"
CORRECTIONS = "corrected corr correct correction removed stripped strip suppressed free"
TEMPLATES = "mni152 icbm152 colin27 avg152 fsaverage fsaverage5 tpl template templates vorlage"
SPELLED = {
    "T1": "t1 t1w t1n t1native st1w mprage mpr spgr fspgr bravo unit1 t1flair",
    "T1CE": "t1c t1cw t1km t1ks t1wks ct1 t1+c t1w+c t1gd t1gad t1ce t1wpost t1postgad",
    "T2": "t2 t2w st2w",
    "FLAIR": "flair fla t2f t2flair t2wflair st2wflair flairw flairt2 flairt2w",
    "PD": "pd pdw protondensity",
    "T2STAR": "t2star t2starw t2* t2*w gre",
    "SWI": "swi swan",
    "PDT2": "pdt2",
    "ADC": "adc",
    "DWI": "dwi",
    "CT": "ct",
}


@pytest.mark.parametrize(
    ("words", "form", "said"),
    [
        (AGENTS, "P01_T1_{}", ("contrast", "T1CE")),
        (DENIALS, "P01_T1_{}_gd", ("contrast", "T1")),
        (EVENTS, "P01_T1_post_{}", ("contrast", "T1")),
        (LABELS, "P01_T1_{}", ("label", None)),
        (MAPS, "P01_T1_{}", ("map", None)),
        (OTHERS, "P01_T1_{}", ("other", None)),
        (MODALITIES, "P01_{}_T1", ("other", None)),
        (CORRECTIONS, "P01_T1_bias_{}", ("contrast", "T1")),
        (TEMPLATES, "{}_T1", ("other", None)),
        *((words, "P01_{}", ("contrast", name)) for name, words in SPELLED.items()),
    ],
)
def test_every_word_says_what_it_is_there_for(words, form, said):
    kind, name = said
    read = {word: read_name(form.format(word)) for word in words.split()}
    wrong = {
        word: (one.kind, one.name) for word, one in read.items() if (one.kind, name or one.name) != (kind, one.name)
    }
    assert wrong == {}
