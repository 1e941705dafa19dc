"""Files that lie in another (a zip's members, a mail's attachments) become parts of its document."""

from __future__ import annotations

from pathlib import PurePath

from fireside.errors import DocumentError
from rag.loaders.assemble import Assembly
from rag.loaders.limits import MAX_DEPTH, Allowance, TooMuch


def add_enclosed(assembly: Assembly, name: str, data: bytes, allowance: Allowance) -> None:
    """Append the document in `data` under a heading, its name; one that cannot be read is noted.

    Files of kinds that are not read are left out, as they are in a folder. Raises TooMuch where all that lies in the
    outermost file is more than is read.
    """
    # formats knows this module's callers: imported here, it is there by the time it is needed.
    from rag.loaders.formats import document_of, is_supported

    if not data or not is_supported(PurePath(name)):
        return
    if allowance.depth == 0:
        assembly.note(f"{name} was left out: it lies more than {MAX_DEPTH} files deep")
        return
    allowance.depth -= 1
    try:
        document = document_of(f"{assembly.path}/{name}", data, allowance)
    except TooMuch:
        raise
    except DocumentError as error:
        assembly.note(f"{error.message}; it was left out")
    else:
        assembly.include(document, name)
    finally:
        allowance.depth += 1
