/* Where the space of a store goes: by table, by family of rows, per record; free pages, map and forecast. For the
 * command 'stat' and its route. Any thread with a snapshot. */
#pragma once

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "store/kv.h"
#include "store/store.h"

/* One JSON object; its member "text" says the same for a person. */
MUST_CHECK err_t statistics_write(struct store *store, struct kv_txn *txn, struct buffer *out);
