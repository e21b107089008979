"""The data policy's rules for personal data and secrets, and their removal from a text.

Training leaves out rows that have any; stored answers get a marker in their place. Only the kind that was found is ever
reported.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Any

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}", re.IGNORECASE)
_MY_NUMBER = re.compile(r"(?<![\d-])(?<!\d )\d{4}[ -]?\d{4}[ -]?\d{4}(?![ -]?\d)")
_CARD = re.compile(r"(?<![\d-])(?:\d[ -]?){12,18}\d(?![\d-])")
_SSN = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
_IBAN = re.compile(r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?(?![A-Z0-9])")
_ASSIGNED = re.compile(
    r"(?:pass(?:word|wd|phrase)|api[ _-]?key|token|secret|パスワード)[\"']?(?:\s*[:=は]|\s+is\s)\s*"
    r"(?=[!-~]*\d)[!-~]{6,}",
    re.IGNORECASE,
)
"""A secret as people write it, without quotes: `DB_PASSWORD=Xy7...`, "the password is hunter2!x". It must contain a
digit, because "the token is rotated" reveals nothing."""
_ISSUED = re.compile(r"(?<![\w-])(?:hf_[A-Za-z0-9]{30,}|sk-(?:[a-z0-9]+-)?[A-Za-z0-9_-]{20,})")
"""Hugging Face keys, which detect-secrets does not know, and OpenAI keys, whose present form it does not know."""
_PRIVATE_KEY = re.compile(r"-----BEGIN [^\n-]*PRIVATE KEY.*?(?:-----END [^\n-]*-----|\Z)", re.DOTALL)
"""To its end: detect-secrets finds the first line alone."""
_NO_SECRET = {"IPPublicDetector"}
"""detect-secrets plugins that look for something else: an IP address is not a key."""

_SCREENED = frozenset(
    {
        "ArtifactoryDetector",
        "AWSKeyDetector",
        "AzureStorageKeyDetector",
        "Base64HighEntropyString",
        "BasicAuthDetector",
        "CloudantDetector",
        "DiscordBotTokenDetector",
        "GitHubTokenDetector",
        "GitLabTokenDetector",
        "HexHighEntropyString",
        "IbmCloudIamDetector",
        "IbmCosHmacDetector",
        "JwtTokenDetector",
        "KeywordDetector",
        "MailchimpDetector",
        "NpmDetector",
        "OpenAIDetector",
        "PrivateKeyDetector",
        "PypiTokenDetector",
        "SendGridDetector",
        "SlackDetector",
        "SoftlayerDetector",
        "SquareOAuthDetector",
        "StripeDetector",
        "TelegramBotTokenDetector",
        "TwilioKeyDetector",
    }
)
"""detect-secrets plugins that find nothing in a text without a trace; a plugin that is not here sees every line."""
_RUN = re.compile(
    r"[\d\\A-Za-z\u0130\u0131\u017f\u212a_+/=-]{20}"
)  # a plugin that ignores case takes these for i, s, k
_TRACE = re.compile(
    r"(['\"])[\\a-z\d+/_=-]+\1|://|eyJ|xox|_authToken|PRIVATE KEY|(?:AKC|AP[\dA-F])[a-z\d]{8}",
    re.IGNORECASE,
)
"""What keys, tokens and URLs with a password have in common: letters and digits in a long run or in quotes, or words
that announce them."""
_NAME = re.compile(r"key|pass|pwd|secret|contrase", re.IGNORECASE)
_QUOTE = re.compile(r"['\"`]")
"""A secret that detect-secrets knows by its name is in quotes."""
_LEAST_DIGITS = 7
"""Fewest digits of a phone number without a plus sign: Japanese numbers have eight or more, American ones ten."""

Finding = tuple[str, int, int]
"""A kind of personal data, or "secret", and where it stands."""
_ROUNDS = 5


def personal_data(text: str) -> str | None:
    """Return the kind of personal data in `text` (e-mail address, phone number, My Number, ...), or None."""
    return next((kind for kind, _, _ in _personal(unicodedata.normalize("NFKC", text))), None)


def holds_secret(text: str) -> bool:
    """Whether `text` contains a key, token or password known to detect-secrets or the patterns above."""
    return next(_secrets(unicodedata.normalize("NFKC", text)), None) is not None


@lru_cache(maxsize=4096)  # answers repeat
def redacted(text: str) -> str:
    """The text with a marker such as [redacted: phone number] for everything that the data policy excludes.

    It is unchanged, or in Unicode's NFKC if something was replaced.
    """
    look = unicodedata.normalize("NFKC", text)
    for _ in range(_ROUNDS):  # what was hidden inside another finding may show only now
        found = sorted((*_secrets(look), *_personal(look)), key=lambda finding: finding[1:])
        if not found:
            return text
        text = look = _replaced(look, found)
    return "[redacted]"


def _replaced(text: str, found: list[Finding]) -> str:
    """Replace findings, sorted by place; overlapping ones become one, of the first's kind."""
    parts, position = list[str](), 0
    for kind, start, end in found:
        if start >= position:
            parts += [text[position:start], f"[redacted: {kind}]"]
        position = max(position, end)
    return "".join([*parts, text[position:]])


def _personal(text: str) -> Iterator[Finding]:
    if "@" in text:
        for found in _EMAIL.finditer(text):
            yield ("e-mail address", *found.span())
    digits = sum(map(str.isdigit, text))
    if not digits:
        return
    for kind, pattern, is_valid in _numbers():
        for found in pattern.finditer(text):
            if is_valid(found[0]):
                yield (kind, *found.span())
    if digits >= _LEAST_DIGITS or "+" in text:
        yield from _phone_numbers(text)


@cache
def _numbers() -> tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...]:
    """Kind, pattern and check of each number with check digits or fixed ranges."""
    from stdnum import iban, luhn
    from stdnum.jp import in_ as my_number
    from stdnum.us import ssn

    return (
        ("My Number", _MY_NUMBER, my_number.is_valid),
        ("card number", _CARD, lambda found: bool(luhn.is_valid(re.sub(r"\D", "", found)))),
        ("social security number", _SSN, ssn.is_valid),
        ("bank account", _IBAN, iban.is_valid),
    )


def _phone_numbers(text: str) -> Iterator[Finding]:
    """Valid numbers of Japan or the United States, and international ones (+44 ...)."""
    import phonenumbers

    matchers = (
        phonenumbers.PhoneNumberMatcher(text, "JP"),
        # most ten-digit numbers are valid in the United States, so any grouping must be the usual one there
        phonenumbers.PhoneNumberMatcher(text, "US", leniency=phonenumbers.Leniency.STRICT_GROUPING),
    )
    for matcher in matchers:
        for found in matcher:
            yield "phone number", found.start, found.end


def _secrets(text: str) -> Iterator[Finding]:
    """Secrets, by the patterns above and detect-secrets.

    Its plugins are called directly, because the scanner also obeys "allowlist" comments in the text, drops the entropy
    limit for single lines, and may ask the issuing service whether a key is live.
    """
    for pattern in (_PRIVATE_KEY, _ASSIGNED, _ISSUED):
        for found in pattern.finditer(text):
            yield ("secret", *found.span())
    trace = _has_trace(text)
    plugins = [plugin for name, plugin in _plugins().items() if trace or name not in _SCREENED]
    begin = 0
    for number, line in enumerate(text.splitlines(keepends=True) if plugins else [], start=1):
        for plugin in plugins:
            for secret in plugin.analyze_line(filename="row", line=line.rstrip("\r\n"), line_number=number):
                yield from _places(secret.secret_value or "", line, begin)
        begin += len(line)


def _has_trace(text: str) -> bool:
    return bool(_RUN.search(text) or _TRACE.search(text) or (_QUOTE.search(text) and _NAME.search(text)))


def _places(secret: str, line: str, begin: int) -> Iterator[Finding]:
    """Where a line, which begins at `begin`, holds the secret; all of it if the plugin does not quote it literally."""
    starts = [found.start() for found in re.finditer(re.escape(secret), line)] if secret else []
    for start in starts:
        yield "secret", begin + start, begin + start + len(secret)
    if not starts:
        yield "secret", begin, begin + len(line.rstrip())


@cache
def _plugins() -> dict[str, Any]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    found = {plugin.__name__: plugin for plugin in get_mapping_from_secret_type_to_class().values()}
    return {name: found[name]() for name in sorted(found) if name not in _NO_SECRET}
