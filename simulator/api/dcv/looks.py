"""The CA's looks for proofs that were submitted, with `dcv_checks`: one after a while, then again and again."""

import asyncio

from certline.simulator.api.dcv import dns_look, web_look
from certline.simulator.api.dcv.validations import instructions
from certline.simulator.state.customer_parts import REJECTED, SUBMITTED, SimDomain
from certline.simulator.state.look import MOST_LOOKS, SimLook
from certline.simulator.state.scm import Scm
from certline.simulator.wire.answers import Json
from certline.simulator.wire.dates import MOMENT, clock_ahead, now, written

_tasks: set[asyncio.Task[None]] = set()


def begin(scm: Scm, found: SimDomain) -> None:
    """Begin to look for a proof that was just submitted. Must be called within the event loop."""
    if scm.settings.dcv_checks and found.validation.order_mode != "EMAIL":
        task = asyncio.get_running_loop().create_task(_watch(scm, found))
        _tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(_tasks.discard)


async def _watch(scm: Scm, found: SimDomain) -> None:
    order, resets = found.validation.order_id, scm.resets
    wait_ms = scm.settings.dcv_after_ms
    while True:
        await asyncio.sleep(wait_ms / 1000)
        gone = all(each is not found for each in scm.customer.domains)
        if gone or scm.resets != resets or found.validation.order_id != order:
            return
        await look(scm, found)
        if found.validation.order != SUBMITTED:
            return
        wait_ms = scm.settings.dcv_again_ms


async def look(scm: Scm, found: SimDomain) -> None:
    """Look once whether the proof is there: the domain is validated, or the validation rejected, or nothing."""
    proof = found.validation
    if proof.order != SUBMITTED or proof.order_mode in {None, "EMAIL"}:
        return
    mode, order, resets = str(proof.order_mode), proof.order_id, scm.resets
    wanted = instructions(found, scm.settings)
    why = await asyncio.to_thread(_why_not, scm, mode, wanted)
    if scm.resets != resets or found.validation is not proof or proof.order_id != order:
        return  # cleared, deleted, submitted again or reset meanwhile
    if proof.order != SUBMITTED:
        return
    # The switch may have moved the clock since the proof was submitted.
    with clock_ahead(scm.settings.clock_ahead_s):
        proof.looks += 1
        proof.looked_at = now()
        scm.looks.append(SimLook(found.name, mode, str(written(now(), MOMENT)), why))
        del scm.looks[:-MOST_LOOKS]
        most = scm.settings.dcv_rejects_after
        if why is None:
            scm.complete_validation(found, now())
        elif most and proof.looks >= most:
            proof.order = REJECTED


def _why_not(scm: Scm, mode: str, wanted: Json) -> str | None:
    """Return why a proof isn't seen, or None if it is."""
    if mode in {"HTTP", "HTTPS"}:
        lines = (str(wanted["firstLine"]), str(wanted["secondLine"]))
        return web_look.why_not(str(wanted["url"]), lines, scm.settings)
    looker = dns_look.DnsLooker(scm.settings, scm.absent)
    return looker.why_not(mode, str(wanted["host"]), str(wanted["point"]))
