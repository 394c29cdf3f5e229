"""What the command line prints of others' words: on one line, readable, and nothing that a terminal would obey."""

import io
import sys

import pytest

from services.cli import terminal
from services.cli.terminal import plain, say, show_table

ALARM = "3f0e1c52-9d0b-4a56-8a58-0a6f1d1f3c77"


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> Tty:
    """What it was sent. Called by the test itself: pytest puts standard output back after its fixtures."""
    screen = Tty()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")  # without bold headings
    return screen


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("fall\x1b[2J\x1b[31mALL CLEAR", r"fall\x1b[2J\x1b[31mALL CLEAR"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J\x9d0;\x9c", r"\x9b2J\x9d0;\x9c"),  # C1: as good as ESC [ to some terminals
        ("over\rwritten\b\x7f\x00", r"over\rwritten\x08\x7f\x00"),
        ("hall\n12:00:00  closed by morag", r"hall\n12:00:00  closed by morag"),
        ("\u202ellaf\u202c\u2066x\u2069\u200f\u061c", r"\u202ellaf\u202c\u2066x\u2069\u200f\u061c"),
        ("a\u200bb\u2028c\ufeff", r"a\u200bb\u2028c\ufeff"),
        ("\ud800", r"\ud800"),
        ("Mòrag’s kitchen → 厨房", "Mòrag’s kitchen → 厨房"),
        ("two\u00a0words", "two words"),
    ],
)
def test_what_would_steer_a_terminal_or_hide_is_spelt_out_and_the_rest_stays(said: str, shown: str) -> None:
    assert plain(said) == shown


def test_a_line_and_a_table_hold_no_control_character_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    tty = terminal_of_80_columns(monkeypatch)
    say("fall\x1b[2J\nALL CLEAR")
    show_table(["id", "kind"], [["TC-1", "fall\x1b[2J\x9b31m\nALL CLEAR"], ["TC-2", "[bold]:fire:[/bold]"]])
    shown = tty.getvalue()
    assert shown.replace("\n", "").isprintable(), shown
    assert r"fall\x1b[2J\nALL CLEAR" in shown
    assert "[bold]:fire:[/bold]" in shown


def test_nor_do_they_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    say("fall\x1b[2J")
    show_table(["kind"], [["fall\x1b[2J\x1b[31mALL CLEAR"]])
    assert capsys.readouterr().out.splitlines() == [r"fall\x1b[2J", "kind".ljust(28), r"fall\x1b[2J\x1b[31mALL CLEAR"]


def test_where_a_table_is_too_wide_each_row_is_a_block_and_its_id_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    tty = terminal_of_80_columns(monkeypatch)
    names = ["alarm", "received (UTC)", "priority", "kind", "state", "device", "council", "acknowledged by"]
    row = [ALARM, "2026-11-29 12:22", 1, "fall", "open", "TC-000123", "glasgow-city", None]
    show_table(names, [row])
    assert tty.getvalue().splitlines() == [
        f"alarm {ALARM}",
        "  received (UTC) 2026-11-29 12:22 · priority 1 · kind fall · state open",
        "  device TC-000123 · council glasgow-city",
    ]


def test_where_it_fits_it_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    tty = terminal_of_80_columns(monkeypatch)
    show_table(["alarm", "kind"], [[ALARM, "fall"]])
    assert [line.split() for line in tty.getvalue().splitlines()] == [["alarm", "kind"], [ALARM, "fall"]]


def test_a_file_shown_on_a_terminal_is_shown_line_by_line_however_its_bytes_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tty = terminal_of_80_columns(monkeypatch)
    shown = terminal._Shown()
    for byte in 'at,who\r\n2026,"Mòrag\x1b[2J"\r\nlast'.encode():
        assert shown.write(bytes([byte])) == 1
    shown.close()
    assert tty.getvalue() == 'at,who\n2026,"Mòrag\\x1b[2J"\nlast\n'
