"""ISRCs as whole numbers: 6 bytes in SQLite for the 301 commonest country codes, 8 for the rest; every prefix is one range."""

from __future__ import annotations

from itertools import product
from string import ascii_uppercase

from fonoteca.catalogue.isrc import parse_isrc

_COMMON = (  # noqa: SIM905 a list of 161 strings would fill a page
    "US QZ GB QM DE FR BR TC JP IT NL CA AU IN SE ES MX KR TR AR PL RU FI NO DK BE AT CH ZA ID PH TH VN UA GR PT CZ HU RO IL CL CO PE TW "
    "HK CN SG MY NG EG KE IE NZ UK QT CB QN SM UY EC VE DO PR CR GT BO PY CU JM TT BG HR RS SI SK LT LV EE IS LU MT CY BY KZ GE AM AZ MD "
    "MK BA ME AL MA TN DZ LB JO SA AE QA KW BH OM IR IQ SY PK BD LK NP MM KH LA MN GH CI SN CM ML TZ UG RW ET ZM ZW MZ AO MG MU RE BX FX "
    "CS YU ZZ GX CP DG KS XK QB QC QD QE QF QG QH QI QJ QK QL QO QP QQ QR QS QU QV QW QX QY"
).split()
COUNTRIES = "".join([*_COMMON, *("".join(pair) for pair in product(ascii_uppercase, repeat=2) if "".join(pair) not in set(_COMMON))])
"""All 676 pairs of letters, two characters each; a pair's place is its number. Part of the format: never changed."""

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PER_REGISTRANT = 10_000_000
PER_COUNTRY = 36**3 * PER_REGISTRANT

_PLACES = {COUNTRIES[place : place + 2]: place // 2 for place in range(0, len(COUNTRIES), 2)}

ISRC_TEXT = (
    f"substr('{COUNTRIES}', {{0}} / {PER_COUNTRY} * 2 + 1, 2) || substr('{DIGITS}', {{0}} / {1296 * PER_REGISTRANT} % 36 + 1, 1) || "
    f"substr('{DIGITS}', {{0}} / {36 * PER_REGISTRANT} % 36 + 1, 1) || substr('{DIGITS}', {{0}} / {PER_REGISTRANT} % 36 + 1, 1) || "
    f"printf('%07d', {{0}} % {PER_REGISTRANT})"
)
"""SQL that writes the twelve characters of the number in column `{0}`; NULL for NULL."""


def isrc_number(isrc: str) -> int:
    """The number of a bare ISRC (twelve characters as parse_isrc gives them)."""
    registrant = int(isrc[2:5], 36)
    return _PLACES[isrc[:2]] * PER_COUNTRY + registrant * PER_REGISTRANT + int(isrc[5:])


def isrc_text(number: int) -> str:
    """The twelve characters of a number that isrc_number gave."""
    country, rest = divmod(number, PER_COUNTRY)
    registrant, digits = divmod(rest, PER_REGISTRANT)
    letters = DIGITS[registrant // 1296] + DIGITS[registrant // 36 % 36] + DIGITS[registrant % 36]
    return f"{COUNTRIES[2 * country : 2 * country + 2]}{letters}{digits:07d}"


def isrc_range(prefix: str) -> tuple[int, int] | None:
    """(first, last) number of the ISRCs that begin so: a country, a registrant's prefix, with digits or whole; None for anything else."""
    bare = "".join(prefix.split()).replace("-", "").upper()
    if len(bare) < 2 or parse_isrc(bare + "AAA0000000"[len(bare) - 2 :]) is None:
        return None
    return isrc_number(bare + "0000000000"[len(bare) - 2 :]), isrc_number(bare + "ZZZ9999999"[len(bare) - 2 :])
