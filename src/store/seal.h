/* Seals: closing hours of reported time for good. Reported time never goes back, so once a commit lies in a later
 * hour, the hours before are complete; a seal says so durably, ends its segment of the journal, and has the head
 * there signed (store/head.h). The clock drives it: every commit begins with the seal that is due, and the writer
 * makes one on its own when an hour ends without commits. However long a store was switched off, one entry closes all
 * of it.
 *
 * Where it begins: a store without a seal starts at the hour of its first commit, whatever that was (its first token,
 * say). Nothing can have been reported live before, so those hours are closed without an entry, and store_state alone
 * remembers the start until the first seal.
 *
 * Imported history lies in hours before the first live one, most of them before the start. It may be added to hours
 * that are sealed already: a seal closes an hour for live usage, and history is kept apart from it by its own rule
 * (only before the first live hour, usage/ingest.c). Its entries are covered by the chain and the next signed head
 * like any other. The row engine knows that sealed buckets may still get such rows (rows.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/signature.h"
#include "store/write.h"

/* Whether a commit at that reported time begins with a seal. */
bool seal_is_due(const struct store_state *state, int64_t reported_ns);
/* Writer thread, before the first job of a commit: seals what is due, or notes where sealing starts. *sealed tells
 * whether a seal was written. */
MUST_CHECK err_t seal_before(struct store_write *write, const struct signature_key *key, bool *sealed);
