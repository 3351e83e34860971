/* What the files of commerce/ share: values of its tables are JSON, copied out of the map before they are parsed. */
#pragma once

#include "commerce/catalogue.h"

/* Puts what the buffer holds, and frees it. */
MUST_CHECK err_t catalogue_store(struct kv_txn *txn, enum kv_table table, struct text key, struct buffer *value);

/* A subscription that names the partner as who bills or resells. ERROR_NOT_FOUND: none does. Goes through the table. */
MUST_CHECK err_t catalogue_find_use(struct kv_txn *txn, struct arena *arena, struct text partner_id,
                                    struct commercial_subscription *out);
