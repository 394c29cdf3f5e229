"""How many boxes a fault cut off, and when they were back."""

from tests.soak.judge import Incident
from tests.soak.storms import Storm, storms


def of(*online: tuple[float, int]) -> list[Storm]:
    """Two faults, from 20 to 25 s and from 40 to 45 s, upon a hundred boxes."""
    incidents = [Incident("broker killed", 20.0, 25.0, ""), Incident("hub hangs", 40.0, 45.0, "")]
    return storms(incidents, [(0.0, 100), *online], 100)


def test_a_fault_that_breaks_no_line_cuts_nobody_off() -> None:
    assert of() == [Storm(0, 0.0), Storm(0, 0.0)]


def test_boxes_are_back_when_all_but_one_in_a_hundred_are() -> None:
    assert of((20.1, 0), (27.0, 98), (28.0, 99), (36.0, 100)) == [Storm(100, 3.0), Storm(0, 0.0)]


def test_boxes_that_were_back_before_the_fault_was_over_waited_for_nothing() -> None:
    assert of((20.1, 60), (22.0, 100))[0] == Storm(40, 0.0)


def test_a_line_that_breaks_a_little_after_its_fault_was_broken_by_it() -> None:
    assert of((29.0, 70), (32.0, 100))[0] == Storm(30, 7.0)
    assert of((31.0, 70), (32.0, 100))[0] == Storm(0, 0.0)


def test_what_the_next_fault_breaks_is_that_ones() -> None:
    first, second = Incident("hub hangs", 20.0, 25.0, ""), Incident("broker killed", 26.0, 28.0, "")
    assert storms([first, second], [(0.0, 100), (26.1, 0), (30.0, 100)], 100) == [Storm(0, 0.0), Storm(100, 2.0)]


def test_boxes_that_do_not_come_back_are_not_said_to_have() -> None:
    assert of((20.1, 0), (30.0, 90))[0] == Storm(100, None)
