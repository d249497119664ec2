"""People as keys: canonical ids, the user_key an agency sends, and the detectors that catch a raw id.

The canonical form decides who is one person, so each kind of id has its own check; see the golden
table in tests/unit/contracts.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable
from operator import mul

_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")
_LETTERS = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ە": "ه"})
_SEPARATORS = re.compile(r"[\s\u200c\u200e\u200f_-]+")

USER_KEY = re.compile(r"[0-9a-f]{64}")
# RE2 and Python read these alike: landing applies the very same patterns in columns.
NATIONAL_ID_PATTERN = r"[0-9]{3}-?[0-9]{6}-?[0-9]"
MOBILE_PATTERN = r"(\+98|0098|0)9[0-9]{9}"
# One way to match alone: the domain's first dot that is not its first character. Two ways take quadratic time to fail.
EMAIL_PATTERN = r"[^@\s]+@[^@\s][^@\s.]*\.[^@\s]+"
_NATIONAL_ID = re.compile(NATIONAL_ID_PATTERN)
_WRITTEN_PLAINLY = re.compile(r"(?:nid:)?([0-9]{10})")  # as most national ids are
_MOBILE = re.compile(MOBILE_PATTERN)
_EMAIL = re.compile(EMAIL_PATTERN)
# What a national id or a mobile number can begin with.
_FIRST = frozenset("+0123456789۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩")
# How long a personal id is at least that holds no @, and what it can begin with: white space around it counts too.
SHORTEST = 10
SUSPECT = _FIRST | {chr(code) for code in range(0x3001) if chr(code).isspace()}
_LENGTHS = range(SHORTEST, 15)  # of a national id or a mobile number, dashes and prefix included
# Far above any field of the contract. Composing orders runs of combining marks, which takes quadratic time.
LONGEST_COMPOSED = 4_096


# Of the first nine digits of a national id; and what the code of the digit 0 adds up to.
_WEIGHTS = range(10, 1, -1)
_WEIGHT_OF_ZEROS = ord("0") * sum(_WEIGHTS)


class NotAPerson(ValueError):
    """The text is no id of a person or body; the message says why and never repeats the text."""


def ascii_digits(text: str) -> str:
    """Persian and Arabic digits as ASCII ones."""
    return text.translate(_DIGITS)


def normalise(text: str) -> str:
    """One spelling for one text: outer spaces off, NFC, ASCII digits, Persian yeh and kaf.

    A text above LONGEST_COMPOSED characters is not composed: no field may be as long, so it is refused as it stands.
    """
    plain = text.strip()
    if plain.isascii():
        return plain  # none of what follows changes ASCII
    if len(plain) <= LONGEST_COMPOSED:
        plain = unicodedata.normalize("NFC", plain)
    return plain.translate(_DIGITS).translate(_LETTERS)


def is_national_id(digits: str) -> bool:
    """True for ten digits with the right check digit; ten equal digits are never issued."""
    if len(digits) != 10 or not (digits.isascii() and digits.isdigit()) or digits == digits[0] * 10:
        return False
    remainder: int = (sum(map(mul, digits.encode(), _WEIGHTS)) - _WEIGHT_OF_ZEROS) % 11
    return int(digits[9]) == (remainder if remainder < 2 else 11 - remainder)


def is_legal_id(digits: str) -> bool:
    """True for eleven digits of a legal person with the right check digit."""
    if len(digits) != 11 or not (digits.isascii() and digits.isdigit()) or len(set(digits)) == 1:
        return False
    shift = int(digits[9]) + 2
    weights = (29, 27, 23, 19, 17, 29, 27, 23, 19, 17)
    remainder = sum((int(digit) + shift) * weight for digit, weight in zip(digits[:10], weights, strict=True)) % 11
    return int(digits[10]) == (0 if remainder == 10 else remainder)


def canonical_id(text: str) -> str:
    """``nid:``, ``legal:`` or ``foreign:`` + digits, from an id written with a prefix or bare.

    A bare id of ten digits is a national id, of eleven a legal one; a foreign id (FIDA code, 8 to 13 digits, no public
    check digit) needs its prefix. Spaces, dashes and Persian or Arabic digits are one spelling. Eight or nine bare
    digits are a national id that lost its leading zeros. Raises NotAPerson.
    """
    if (plain := _WRITTEN_PLAINLY.fullmatch(text)) and is_national_id(plain[1]):
        return f"nid:{plain[1]}"
    kind, _, rest = text.strip().rpartition(":")
    digits = _SEPARATORS.sub("", ascii_digits(rest))
    if not digits.isascii() or not digits.isdigit():
        raise NotAPerson("an id has digits alone")
    kind = kind.strip().lower()
    if kind not in ("", "nid", "legal", "foreign"):
        raise NotAPerson("the prefix is nid:, legal: or foreign:")
    if kind == "foreign":
        if not 8 <= len(digits) <= 13 or not digits.strip("0"):
            raise NotAPerson("a foreign id has 8 to 13 digits")
        return f"foreign:{digits}"
    if kind == "legal" or (not kind and len(digits) == 11):
        if not is_legal_id(digits):
            raise NotAPerson("a legal id has eleven digits with a valid check digit")
        return f"legal:{digits}"
    if len(digits) in (8, 9):
        digits = digits.zfill(10)
    if not is_national_id(digits):
        raise NotAPerson("a national id has ten digits with a valid check digit")
    return f"nid:{digits}"


def user_key(transport_key: bytes, canonical: str) -> str:
    """HMAC-SHA256 of a canonical id under the domain's transport key: 64 lower-case hex digits."""
    return hmac.new(transport_key, canonical.encode("ascii"), hashlib.sha256).hexdigest()


def user_key_maker(transport_key: bytes) -> Callable[[str], str]:
    """``user_key`` under one key, for many canonical ids."""
    digest = keyed_digest(transport_key)
    return lambda canonical: digest(canonical.encode("ascii")).hex()


def pid(platform_key: bytes, key: str) -> bytes:
    """What the lake keeps instead of a user_key: the first 16 bytes of HMAC-SHA256(platform key, "v1|" + user_key).

    Sixteen bytes keep files a third smaller; two of 100 million people share one with a chance below 1e-22.
    """
    return pid_maker(platform_key)(key)


def pid_maker(platform_key: bytes) -> Callable[[str], bytes]:
    """``pid`` under one key, for many user_keys."""
    digest = keyed_digest(platform_key, b"v1|")
    return lambda key: digest(key.encode("ascii"))[:16]


def keyed_digest(key: bytes, prefix: bytes = b"") -> Callable[[bytes], bytes]:
    """HMAC-SHA256 of ``prefix`` and a text under one key, for many texts: what it makes of the key alone is made once.

    RFC 2104: H(key ^ opad, H(key ^ ipad, text)). For short texts it costs less than half of ``hmac.digest``.
    """
    block = (key if len(key) <= 64 else hashlib.sha256(key).digest()).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + prefix).copy
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block)).copy

    def made(text: bytes) -> bytes:
        first, second = inner(), outer()
        first.update(text)
        second.update(first.digest())
        return second.digest()

    return made


def rekeyed(link: bytes, value: bytes) -> bytes:
    """Half of HMAC-SHA256(link, value): a pid or a digest after one rotation, 16 bytes like the one before."""
    return hmac.digest(link, value, "sha256")[:16]


def looks_personal(text: str) -> bool:
    """True where the whole text is a national id, an Iranian mobile number or an e-mail address."""
    plain = text.strip()
    if "@" not in plain and plain[:1] not in _FIRST:
        return False  # most values of most events: ids of other kinds, codes, words
    if "@" not in plain and len(plain) not in _LENGTHS:
        return False
    plain = ascii_digits(plain)
    if _NATIONAL_ID.fullmatch(plain):
        return is_national_id(plain.replace("-", ""))
    return bool(_MOBILE.fullmatch(plain) or _EMAIL.fullmatch(plain))
