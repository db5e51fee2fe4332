"""Personal data is found however it is laid out, and beside other personal data; other numbers are left alone."""

import pytest

from prompt_worker.guardrails import Guardrail, check

CARD = "4000056655665556"


def found(text: str) -> list[tuple[str, str]]:
    guardrail = Guardrail(name="pii", type="pii_detection", config={})
    return [(one.rule, text[one.start : one.end]) for one in check([guardrail], prompt=text).findings]


@pytest.mark.parametrize(
    "gap", [" ", "  ", "\t", "-", " - ", ".", "/", "_", "·", "\n", "\N{NO-BREAK SPACE}", "–", ""]
)
@pytest.mark.parametrize(
    ("rule", "before", "groups"),
    [
        ("CREDIT_CARD", "card ", ["4000", "0566", "5566", "5556"]),
        ("CREDIT_CARD", "", ["4000", "0566", "5566", "5556"]),
        ("CREDIT_CARD", "", ["40000566", "55665556"]),
        ("CREDIT_CARD", "", ["3782", "822463", "10005"]),
        ("US_SSN", "SSN ", ["536", "90", "4399"]),
        ("IBAN_CODE", "", ["DE89", "3704", "0044", "0532", "0130", "00"]),
        ("IBAN_CODE", "", ["DE", "89", "3704", "0044", "0532", "0130", "00"]),
        ("PHONE_NUMBER", "call me at ", ["212", "555", "0123"]),
        ("PHONE_NUMBER", "téléphone : ", ["06", "12", "34", "56", "78"]),
    ],
)
def test_number_is_found_with_any_gap_between_its_groups(
    rule: str, before: str, groups: list[str], gap: str
) -> None:
    number = gap.join(groups)
    assert found(f"{before}{number} thanks") == [(rule, number)]


@pytest.mark.parametrize("text", ["SSN 536-90-\n4399", "my card: 4000-0566-\n5566-5556"])
def test_number_wrapped_over_a_line_is_found(text: str) -> None:
    assert len(found(text)) == 1


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("212-555-0123 212-555-0124", ["PHONE_NUMBER"] * 2),
        ("SSN 536-90-4399/536-90-4398", ["US_SSN"] * 2),
        (f"{CARD}/5500000000000004", ["CREDIT_CARD"] * 2),
        (f"{CARD}:(212) 555-0123:536-90-4399", ["CREDIT_CARD", "PHONE_NUMBER", "US_SSN"]),
        ("DE89370400440532013000_+1 212 555 0123", ["IBAN_CODE", "PHONE_NUMBER"]),
        ("employee_536-90-4399", ["US_SSN"]),
        ("2125550123 is my phone number", ["PHONE_NUMBER"]),
        ("[212] 555-0123", ["PHONE_NUMBER"]),
        ("Phone:\n212-555-0123", ["PHONE_NUMBER"]),
        ("stop messages to 07911 123456", ["PHONE_NUMBER"]),
        ("Rufnummer 030 12345678", ["PHONE_NUMBER"]),
        ("au numéro 06 12 34 56 78", ["PHONE_NUMBER"]),
        ("<td>teléfono</td><td>0612 345 678</td>", ["PHONE_NUMBER"]),
        ("GET /f?telefon=0612-345678&lang=pl", ["PHONE_NUMBER"]),
        ("телефон 0612 345 678", ["PHONE_NUMBER"]),
        ("电话 0612345678", ["PHONE_NUMBER"]),
        ("card ٤٠٠٠ ٠٥٦٦ ٥٥٦٦ ٥٥٥٦", ["CREDIT_CARD"]),
        ("?c=4000%200566%205566%205556&m=jane%40example.com", ["CREDIT_CARD", "EMAIL_ADDRESS"]),
        (r'{"m": "jane\u0040example.com"}', ["EMAIL_ADDRESS"]),
        ("jane&#64;example.com", ["EMAIL_ADDRESS"]),
        ("jane [at] example [dot] com", ["EMAIL_ADDRESS"]),
        ("jane%20(at)%20example.com", ["EMAIL_ADDRESS"]),
        ("jane at mail dot example dot org", ["EMAIL_ADDRESS"]),
        ("JCB card 180000000000002", ["CREDIT_CARD"]),
        ("Maestro card 501800000009", ["CREDIT_CARD"]),
    ],
)
def test_personal_data_is_found(text: str, rules: list[str]) -> None:
    assert [rule for rule, _ in found(text)] == rules


@pytest.mark.parametrize(
    "text",
    [
        "git@github.com:org/repo.git",
        "postgresql://user:secret@host.example.com/db",
        "call back on ticket 10023456",
        "phone model SM-G991B 5016005678",
        "student no. 298-50-9925, class 7b",
        "PO 1002003004 / SKU 298-50-9925",
        "INSERT INTO stock VALUES (0038065162, 9861547, '044')",
        "blk_4000056655665556002 received",
        "a shipment of 501800000009 parts",
        "IMEI 340000000000009 of the phone in the drawer",
        "Tracking: 9205 4000 0566 5566 5556 02",
        "4000 0566 5566 5556\n8116 6711 7392 2413\n2304 6386 1028 5096",
        "The phone in the drawer\nratio 062/84/2662",
        "the dot product a at b dot product is at one dot five",
        "We met at 10 then some 2024 plus more 1234 text",
    ],
)
def test_other_numbers_are_left_alone(text: str) -> None:
    assert found(text) == []
