"""Another encoder for a library: everything is embedded anew, in batches, while the old vectors still serve."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from fireside.database import Database
from fireside.encoder import Encoder
from fireside.errors import DocumentError
from rag import store
from rag.embed import embedded_texts, longest_chunk, vector_key

_BATCH = 256
# A library that others add to all the time is caught up with so often.
_ROUNDS = 5
# The recipe of a document whose chunks are too long for the encoder: that of no run, so that the next one cuts it anew.
_TO_CUT_ANEW = "cut anew"

Fill = Callable[[str, Mapping[int, str]], None]
"""Gets the vectors of an encoder (its id) ready to be searched: chunk ids, and the keys of their cached vectors."""


def migrate(
    database: Database,
    encoder: Encoder,
    progress: Callable[[int, int], None] | None = None,
    fill: Fill | None = None,
) -> int:
    """Embed every chunk of the library with `encoder`, then change over to its vectors; the number embedded.

    Each batch is kept as it is made: a run that is interrupted goes on where it ended, and what the library holds
    already of this encoder is not embedded again. Searches use the old vectors until all are there, and other programs
    may go on adding documents. progress: called with the chunks done and those there are. fill: called once before the
    change, so that no search has to wait for a whole index after it.
    Raises DocumentError where others add faster than this embeds, StorageError, ModelError.
    """
    before = store.setting(database, store.ENCODER)
    if before is None or before == encoder.id:
        store.set_setting(database, store.MIGRATING, None)
        return 0
    store.set_setting(database, store.MIGRATING, encoder.id)
    keys: dict[int, str] = {}
    cut_off: set[int] = set()
    made = 0
    for round_ in range(_ROUNDS):
        made += _embed_all(database, encoder, keys, cut_off, progress)
        if fill and round_ == 0:
            fill(encoder.id, keys)
        current = set(store.generation_and_ids(database)[1])
        present = {chunk: key for chunk, key in keys.items() if chunk in current}
        if change_encoder(database, present, cut_off & current, before, encoder.id):
            return made
        if (others := store.setting(database, store.ENCODER)) != before:
            if others == encoder.id:
                return made
            raise DocumentError(
                f"another program has given the library the encoder {others} meanwhile", "choose one, and do it again"
            )
        if len(store.keys_there(database, keys.values())) < len(set(keys.values())):
            keys.clear()  # somebody took vectors out that no chunk used yet: all are looked for again
    raise DocumentError(
        "the library changes faster than it can be embedded anew",
        "wait until other programs have added their documents",
    )


def _embed_all(
    database: Database,
    encoder: Encoder,
    keys: dict[int, str],
    cut_off: set[int],
    progress: Callable[[int, int], None] | None,
) -> int:
    """Cache the vectors of all chunks that `keys` does not know, and note their keys there; and in `cut_off` the chunks
    that the encoder does not read to their end."""
    total, made = store.count_chunks(database), 0
    last = max(keys, default=0)
    while rows := store.texts_after(database, last, _BATCH):
        last = rows[-1][0]
        texts = embedded_texts(encoder, [text for _, _, text in rows], [context for _, context, _ in rows])
        batch = {vector_key(encoder.id, text): text for text in texts}
        keys.update({chunk: vector_key(encoder.id, text) for (chunk, _, _), text in zip(rows, texts, strict=True)})
        lengths = encoder.count_tokens([text for _, _, text in rows])
        longest = longest_chunk(encoder, encoder.max_tokens)
        cut_off.update(chunk for (chunk, _, _), length in zip(rows, lengths, strict=True) if length > longest)
        known = store.cached_vectors(database, batch)
        missing = {key: text for key, text in batch.items() if key not in known}
        store.cache_vectors(database, dict(zip(missing, encoder.encode(list(missing.values())), strict=True)))
        made += len(missing)
        if progress:
            progress(min(len(keys), total), total)
    return made


def change_encoder(
    database: Database, keys: Mapping[int, str], cut_off: Collection[int], before: str, now: str
) -> bool:
    """Give every chunk the cached vector of its key and make `now` the encoder of the library; one transaction.

    cut_off: the chunks that `now` does not read to their end; the next run over their documents cuts those anew.
    Nothing happens, and False is returned, where the chunks are not those of `keys` any more, a vector is not there, or
    `before` is not the encoder any more.
    """
    with database.transaction() as connection:
        if {chunk for (chunk,) in connection.execute("SELECT id FROM chunks")} != set(keys):
            return False
        if not set(keys.values()) <= {key for (key,) in connection.execute("SELECT key FROM vectors")}:
            return False
        if connection.execute("SELECT value FROM settings WHERE name = ?", (store.ENCODER,)).fetchone()[0] != before:
            return False
        connection.executemany(
            "UPDATE chunks SET embedding = (SELECT id FROM vectors WHERE key = ?) WHERE id = ?",
            [(key, chunk) for chunk, key in keys.items()],
        )
        connection.execute("UPDATE documents SET recipe = replace(recipe, ?, ?)", (before, now))
        connection.executemany(
            "UPDATE documents SET recipe = ? WHERE id = (SELECT document FROM chunks WHERE id = ?)",
            [(_TO_CUT_ANEW, chunk) for chunk in cut_off],
        )
        connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (store.ENCODER, now))
        connection.execute("DELETE FROM settings WHERE name = ?", (store.MIGRATING,))
        connection.execute("DELETE FROM vectors WHERE id NOT IN (SELECT embedding FROM chunks)")
        connection.execute("UPDATE state SET generation = generation + 1")
        return True
