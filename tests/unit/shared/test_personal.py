"""Personal data and secrets are noticed, ordinary text is not."""

from __future__ import annotations

import unicodedata

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from so8t_shared.personal import _phone_numbers, _plugins, holds_secret, personal_data, redacted


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write to taro.yamada@example.co.jp today", "e-mail address"),
        ("メールはｔａｒｏ＠ｅｘａｍｐｌｅ．ｊｐまで", "e-mail address"),
        ("Call 090-1234-5678 now", "phone number"),
        ("電話は０３ー１２３４ー５６７８です", "phone number"),
        ("Call (415) 555-2671", "phone number"),
        ("Ring +44 20 7946 0958", "phone number"),
        ("マイナンバーは6214 9832 0257です", "My Number"),
        ("My number is 621498320257.", "My Number"),
        ("Card 4111 1111 1111 1111", "card number"),
        ("SSN 536-90-4399", "social security number"),
        ("Pay to GB82 WEST 1234 5698 7654 32", "bank account"),
    ],
)
def test_personal_data_is_found(text: str, kind: str) -> None:
    """Also in full-width characters."""
    assert personal_data(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "Send 12,500 dollars on 2024-01-15 at 10:00.",
        "請求書 20240115-88 を三部印刷してください。",
        "Invoice 1234567890, ticket 6214 9832 0258",
        "The ratio is 3.14159265358979",
        "Mention @taro in the channel",
    ],
)
def test_ordinary_text_holds_none(text: str) -> None:
    """Amounts, dates and numbers with a wrong check digit are no personal data."""
    assert personal_data(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "The key is AKIAQYLPMN5HFIQR7XYA, use it",
        "token ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "line one\n-----BEGIN RSA PRIVATE KEY-----",
        "open https://user:pass123@example.com/x",
        "AKIAQYLPMN5HFIQR7XYA # pragma: allowlist secret",
        'password: "Xk29fjs8k2vv"',
        "password: hunter2!x",
        "The admin password is hunter2!x, please log in",
        "DB_PASSWORD=Xy7!kdP0",
        "my api_key: 9f8e7d6c5b4a",
        "パスワードはhunter2!xです。",
        "use hf_aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH",
        "use sk-proj-aBcDeFgHiJkLmNoPqRsTuVwX_1-2",
    ],
)
def test_secrets_are_found(text: str) -> None:
    """Keys, tokens and passwords, whatever the text says about an allow-list."""
    assert holds_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "What is my password: please help",
        "Tell me the secret of your success",
        "パスワードを教えてください。",
        "Antidisestablishmentarianism at 192.168.0.1",
        "The token is rotated every 90 days",
        "The password: at least 8 letters",
        "パスワードは8文字以上です。",
        "Is a risk-based-approach-to-security wise?",
    ],
)
def test_talk_about_secrets_is_no_secret(text: str) -> None:
    """A request for a password holds none."""
    assert not holds_secret(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Call 090-1234-5678 or a@example.com.", "Call [redacted: phone number] or [redacted: e-mail address]."),
        ("電話は０３ー１２３４ー５６７８です", "電話は[redacted: phone number]です"),
        ("Card 4111 1111 1111 1111, thanks", "Card [redacted: card number], thanks"),
        ("The key is AKIAQYLPMN5HFIQR7XYA, use it", "The key is [redacted: secret], use it"),
        ("a\r\nDB_PASSWORD=Xy7!kdP0\r\nb", "a\r\nDB_[redacted: secret]\r\nb"),
        ("k: -----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n", "k: [redacted: secret]"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nok", "[redacted: secret]\nok"),
        ("ｆｕｌｌ <final>DENY</final>", "ｆｕｌｌ <final>DENY</final>"),
        ("", ""),
    ],
)
def test_redacted(text: str, shown: str) -> None:
    """Each finding gives way to its kind; the rest of the text is as it was."""
    assert redacted(text) == shown


_FOUND = (
    *("taro.yamada@example.co.jp", "090-1234-5678", "+44 20 7946 0958", "6214 9832 0257", "4111 1111 1111 1111"),
    *(
        "536-90-4399",
        "GB82 WEST 1234 5698 7654 32",
        "AKIAQYLPMN5HFIQR7XYA",
        "password: hunter2!x",
        "api_key: 9f8e7d6c5b4a",
    ),
    *("token ghp_16C7e42F292c6912E7710c838347Ae178B4a", "https://user:pass123@example.com/x"),
    *(
        'password: "Xk29fjs8k2vv"',
        "use sk-proj-aBcDeFgHiJkLmNoPqRsTuVwX_1-2",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n",
    ),
)


@given(st.lists(st.sampled_from([*_FOUND, " ", "\n", ", ", "x", "12", "-", "<final>", ". "]), max_size=8).map("".join))
@settings(max_examples=150)
def test_nothing_is_left(text: str) -> None:
    """A redacted text is one that training would keep, however the findings stand together."""
    shown = redacted(text)
    assert personal_data(shown) is None
    assert not holds_secret(shown)


def _shapes() -> list[st.SearchStrategy[str]]:
    """Texts of every shape that a plugin of detect-secrets looks for."""
    patterns = [pattern for plugin in _plugins().values() for pattern in getattr(plugin, "denylist", ())]
    quoted = st.text("abcXYZ019+/-_=\\ ", min_size=1, max_size=30)
    named = st.sampled_from(["my_password", "API-key", "apikey", "pwd", "Secret", "contraseña", "db_pass", "x"])
    marks = st.sampled_from([" = ", ":", " => ", "==", " != ", " ", "("])
    quotes = st.sampled_from("'\"`")
    return [
        *(st.from_regex(pattern) for pattern in patterns),
        st.tuples(named, marks, quotes, quoted, quotes, st.sampled_from(["", ";"])).map("".join),
        st.tuples(quotes, quoted, quotes, marks, named).map("".join),
    ]


@pytest.mark.parametrize("shape", _shapes())
def test_no_secret_of_detect_secrets_is_missed(shape: st.SearchStrategy[str]) -> None:
    """Every plugin's finding in any line counts, although most texts are not shown to the plugins."""

    @given(st.tuples(st.sampled_from(["", "see ", "鍵は", "don't\n"]), shape, st.sampled_from(["", ".", " ok\nyes"])))
    @settings(max_examples=25)
    def check(parts: tuple[str, ...]) -> None:
        text = unicodedata.normalize("NFKC", "".join(parts))
        lines = text.splitlines()
        if any(plugin.analyze_line(filename="row", line=line) for plugin in _plugins().values() for line in lines):
            assert holds_secret(text)

    check()


KINDS = [phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE]


def test_no_phone_number_is_missed() -> None:
    """Usual numbers of every country, as written there, abroad, in Japan and in the United States."""
    seen = 0
    for region in phonenumbers.SUPPORTED_REGIONS:
        for kind in KINDS:
            number = phonenumbers.example_number_for_type(region, kind)
            if number is None:
                continue
            texts = [
                phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL),
                phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
                *(phonenumbers.format_out_of_country_calling_number(number, home) for home in ("JP", "US")),
            ]
            for text in texts:
                if any(_phone_numbers(text)):
                    seen += 1
                    assert personal_data(text) is not None
    assert seen > 1000


@given(st.text("0123456789+()-. /,円年x", min_size=1, max_size=24))
@settings(max_examples=300)
def test_no_digits_that_are_a_phone_number_are_missed(text: str) -> None:
    """However they are written."""
    if any(_phone_numbers(unicodedata.normalize("NFKC", text))):
        assert personal_data(text) is not None
