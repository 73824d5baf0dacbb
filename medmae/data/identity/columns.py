"""Columns of tables that tell patients or splits, by their names in several languages and by what they hold."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# What is numbered, named or coded.
_ID = (
    "id", "ids", "nr", "no", "num", "number", "nummer", "numero", "numer", "name", "names", "nom", "nombre", "code",
    "key", "hash", "uid", "uuid", "guid", "identifier", "identifiant", "identificador", "kennung", "kurzel", "index",
    "string", "instanceuid", "номер", "код",
)  # fmt: skip
_WHO = (
    # Persons, and what stands for them.
    "patient", "patients", "patienten", "patientin", "patientinnen", "paciente", "pacientes", "paziente", "pacjent",
    "pacient", "pasient", "pat", "pid", "subject", "subjects", "subj", "sub", "subjekt", "sujet", "sujeto", "sujeito",
    "soggetto", "participant", "participants", "partecipante", "teilnehmer", "teilnehmerin", "proband", "probanden",
    "probandin", "proefpersoon", "versuchsperson", "vp", "vpn", "person", "persons", "personne", "persona",
    "individual", "individuum", "individu", "donor", "spender", "volunteer", "family", "familie", "famille", "familia",
    "twin", "sibling", "mother", "animal", "tier", "pseudonym", "pseudo", "psn", "anonym", "hasta", "пациент",
    "субъект", "испытуемый", "фио", "患者", "病人", "受试者", "姓名", "病历号", "病歴", "被験者", "환자", "مريض",
    # Numbers that a hospital or a country gives them.
    "mrn", "empi", "mpi", "ipp", "ssn", "nhs", "chi", "cpr", "ahv", "svnr", "personnummer", "versicherten", "medrec",
    "dossier", "akte", "akten", "krankenakte", "patientenakte", "chart", "record", "medicalrecord", "historia",
    "prontuario", "cartella", "kis", "redcap", "record",
    # Their own names, and the day of birth.
    "surname", "lastname", "firstname", "forename", "familyname", "givenname", "fullname", "initials", "initialen",
    "nachname", "familienname", "vorname", "prenom", "apellido", "apellidos", "cognome", "birthdate", "dateofbirth",
    "dob", "birthday", "geburtsdatum", "gebdat", "geburtstag",
    # Cases, stays and studies, of which one patient has one or several.
    "case", "cases", "fall", "falle", "kasus", "caso", "cas", "group", "groups", "gruppe", "groupe", "grupo",
    "admission", "encounter", "accession", "study", "studie", "studien", "studyinstance", "exam", "examination",
    "aufnahme", "untersuchung", "anon", "master", "specimen", "biopsy", "block",
)  # fmt: skip
_ALONE = {"anon", "master", "study", "studie", "studien", "exam", "examination", "record", "chart"}
_ALONE |= {"specimen", "biopsy", "block", "mother", "historia", "index", "untersuchung", "chi", "key", "kis", "redcap"}
_SPLIT = re.compile(
    r"(?:.*[-_ .])?(?:split|splits|set|subset|fold|folds|kfold|partition|phase|usage|train|test|val|holdout|"
    r"teilmenge|aufteilung|particion|is[-_ ]?(?:train|test|val|valid))(?:[-_ .]?(?:\d+|id|nr|no|name))?"
)
_SPLIT_VALUES = re.compile(
    r"train(?:ing)?|trn|tr|val(?:id(?:ation)?)?|validierung|dev|test(?:ing)?|tst|te|holdout|held[-_ ]?out|"
    r"eval(?:uation)?|entrenamiento|entrainement|(?:cv|fold|split|train|test|val)[-_ ]?\d+"
)
_PATIENT_VALUE = re.compile(r"([A-Za-z]{1,12}[-_ ]?)\d{2,}")
_ANY = {"id", "ids", "nr", "no", "num", "number", "nummer", "numero", "name", "names", "nom", "nombre", "uid", "uuid"}


def looks_like_identity(name: str) -> bool:
    """Whether a column is called as patients or splits are.

    >>> [looks_like_identity(name) for name in ("Patient Name", "Patienten-Nr.", "id_patient", "Fallnummer", "set")]
    [True, True, True, True, True]
    >>> [looks_like_identity(name) for name in ("diagnosis", "patient_age", "lipid", "dataset")]
    [False, False, False, False]
    """
    plain = _plain(name)
    return bool(_SPLIT.fullmatch(plain)) or _who(re.findall(r"[^\W_]+", plain))


def holds_identity(name: str, values: Sequence[str]) -> bool:
    """Whether a column holds names of splits, or what repeats and is called or written as patients are.

    >>> holds_identity("use", ["train", "test", "train"]), holds_identity("who", ["P01", "P02", "P01", "P03"])
    (True, True)
    >>> [holds_identity(*one) for one in (("id", ["1", "2", "3"]), ("id", ["1", "1", "3"]), ("age", ["61", "61"]))]
    [False, True, False]
    """
    there = [value.strip() for value in values if value.strip()]
    kinds = {value.casefold() for value in there}
    if len(kinds) > 1 and all(_SPLIT_VALUES.fullmatch(kind) for kind in kinds):
        return True
    if not 1 < len(kinds) < len(there):
        return False
    matches = [_PATIENT_VALUE.fullmatch(value) for value in there]
    prefixes = {match[1].casefold() if match else None for match in matches}
    return _plain(name) in _ANY or (len(kinds) > 2 and len(prefixes) == 1 and None not in prefixes)


def _plain(name: str) -> str:
    """Small letters without accents; words that only capitals part are parted: ``PatientID``."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip())
    text = unicodedata.normalize("NFKD", parted.casefold())
    return "".join(letter for letter in text if not unicodedata.combining(letter)).strip(" _-.#:?")


def _who(words: Sequence[str]) -> bool:
    """Whether words name a person, a case or a study, with or without a word for its number around it."""
    compact = "".join(words)
    inner = [word for word in words if word not in _ID]
    if not inner:
        return False
    numbered = len(inner) < len(words)
    forms = {compact, "".join(inner), inner[-1]} | ({inner[0]} if numbered else set())
    for end in sorted(_ID, key=len, reverse=True):
        if compact.endswith(end) and len(compact) > len(end):
            short = compact.removesuffix(end)
            if short in _WHO or short.endswith(_LONG):
                return True
    return any(form in _WHO and (form not in _ALONE or numbered) for form in forms)


_LONG = tuple(word for word in _WHO if len(word) > 5)
