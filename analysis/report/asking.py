"""The studies of a plan on a server: found, asked for where they are missing, waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from analysis.cells import parse_cell
from analysis.client import Client
from analysis.report.plan import Body
from analysis.spaces.variants import adapted_forms

Document = dict[str, Any]
Told = Callable[[int, int, str], None]
"""``told(done, total, text)``: how far it is."""

ASK_EVERY_S = 5.0
_ENDS = ("done", "failed")
"""States of studies that can be reported: what failed of one is told."""


class MissingError(LookupError):
    """Studies that the server doesn't have, or that haven't ended; the message says which."""


def find(client: Client, plan: Mapping[str, Body]) -> dict[str, Document]:
    """By name, what the server has of the plan: the latest study of just these settings."""
    found: dict[str, Document] = {}
    for study in client.items("/studies"):
        for name, body in plan.items():
            if name not in found and _same(study, body):
                found[name] = study
        if len(found) == len(plan):
            break
    return found


def finished(client: Client, plan: Mapping[str, Body]) -> dict[str, Document]:
    """The studies with their results, as the server has them.

    Raises:
        MissingError: one isn't there, hasn't ended, or was cancelled.
        ClientError: the server can't be reached, or refused.
    """
    found = find(client, plan)
    documents = {
        name: client.get(study["links"]["self"])
        for name, study in found.items()
        if study["state"] in _ENDS
    }
    missing = [
        name
        for name, body in plan.items()
        if name not in documents or not _of_its_cells(documents[name], body)
    ]
    if missing:
        raise MissingError(f"not on {client.url}, or not at their end: {', '.join(missing)}")
    return {name: documents[name] for name in plan}


def completed(
    client: Client,
    plan: Mapping[str, Body],
    told: Told,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Document]:
    """The same, after what is missing was asked for and has ended, in the order of the plan.

    What is complete is asked for no second time, so that who may only read gets it too.

    Raises:
        MissingError: one was cancelled meanwhile.
        ClientError: the server can't be reached, or refused.
    """
    found = find(client, plan)
    documents: dict[str, Document] = {}
    for name, body in plan.items():
        if name in found and found[name]["state"] == "done":
            document = client.get(found[name]["links"]["self"])
            if _of_its_cells(document, body):
                documents[name] = document
                continue
        found[name] = client.post("/studies", body)
    addresses = {name: found[name]["links"]["self"] for name in plan}
    while True:
        parts = [found[name]["progress"] for name in plan]
        left = [name for name in plan if not _ended(found[name])]
        told(
            sum(part["ended"] for part in parts),
            sum(part["parts"] for part in parts),
            f"{left[0]}, {len(left)} studies left" if left else "",
        )
        if not left:
            cancelled = [name for name in plan if found[name]["state"] not in _ENDS]
            if cancelled:
                raise MissingError(f"cancelled meanwhile: {', '.join(cancelled)}")
            return {
                name: documents[name] if name in documents else client.get(address)
                for name, address in addresses.items()
            }
        pause(ASK_EVERY_S)
        found |= find(client, {name: plan[name] for name in left})


def _same(study: Document, body: Body) -> bool:
    """Whether a study was asked for by this body, in which every setting is spelt out."""
    return bool(study["settings"] == body)


def _of_its_cells(document: Document, body: Body) -> bool:
    """Whether a study is of the cells that its body names.

    One that was made by an earlier version may be of what these names meant there.
    """
    cells = [parse_cell(cell) for cell in body["cells"]]
    if body["kind"] == "generalisation":
        cells += [form for cell in cells for form in adapted_forms(cell)]
    return {part["cell"] for part in document["parts"]} == {cell.id for cell in cells}


def _ended(study: Document) -> bool:
    return bool(study["progress"]["ended"] == study["progress"]["parts"])
