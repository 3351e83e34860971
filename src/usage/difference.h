/* Which member of a record differs from the one that was accepted under the same identity: the 'target' of a
 * conflict. Any thread with a snapshot. */
#pragma once

#include "base/arena.h"
#include "store/kv.h"
#include "usage/record.h"

/* Name of the first differing member in the order of interface.md, or "" when it can't be told. Static. */
const char *difference_member(struct kv_txn *txn, struct arena *arena, uint64_t original_sequence,
                              const struct usage_record *record);
