"""What a label says to a camera."""

import segno

from services.registry.engineer.labels import address_of, qr_code


def test_a_label_holds_the_address_of_the_boxs_page_and_nothing_else() -> None:
    assert address_of("https://telecare.example/", "SN-00000123") == "https://telecare.example/engineer/s/SN-00000123"
    assert address_of("https://telecare.example/t", "a b/c?d") == "https://telecare.example/t/engineer/s/a%20b%2Fc%3Fd"


def test_a_code_is_drawn_without_styles_and_as_large_as_its_place() -> None:
    drawn = str(qr_code("https://telecare.example/engineer/s/SN-1"))
    assert drawn.startswith("<svg")
    assert "viewBox" in drawn
    assert "style" not in drawn
    assert "script" not in drawn
    assert len(qr_code("https://telecare.example/engineer/s/" + "x" * 64)) < 8_000


def test_a_scratched_label_is_still_read() -> None:
    assert segno.make_qr("https://telecare.example/engineer/s/SN-1", error="m").error in {"M", "Q", "H"}
