"""Files of devices as spreadsheets write them, sent as somebody at a terminal sends them."""

import csv
import io
from collections.abc import Sequence

from tests.blackbox.api import PROBLEM, Answer, Api

IMPORT = "/api/v1/devices/import"
EXPORT = "/api/v1/devices/export"
HEADER = ("device_id", "council_id", "serial", "model", "postcode_district", "installation_ref")


def sheet(*rows: Sequence[str], header: Sequence[str] = HEADER, delimiter: str = ",", end: str = "\r\n") -> bytes:
    """A file of these rows."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows([header, *rows])
    return text.getvalue().encode()


def homes(count: int, *, council: str = "glasgow-city") -> list[tuple[str, ...]]:
    """So many devices that nothing is wrong with."""
    return [(f"TC-{n:06d}", council, f"SN-{n:06d}", "hearth-4g", "G12", f"ref-{n}") for n in range(count)]


async def send(api: Api, body: bytes, *, accept: str = "application/json", **query: str) -> Answer:
    """POST it to the import."""
    headers = api.headers | {"Content-Type": "text/csv", "Accept": accept}
    async with api.session.post(api.url + IMPORT, data=io.BytesIO(body), params=query, headers=headers) as response:
        is_json = response.content_type in {"application/json", PROBLEM}
        answer = await response.json(content_type=None) if is_json else await response.text("utf-8-sig")
        return Answer(response.status, answer, response.headers.copy())


async def exported(api: Api, **query: str) -> bytes:
    """The file that the export answers."""
    async with api.session.get(api.url + EXPORT, params=query, headers=api.headers) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/csv"
        return await response.read()


def rows_of(body: bytes) -> list[dict[str, str]]:
    """What a spreadsheet would show of it."""
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))
