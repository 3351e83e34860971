/* Looking keys up in all runs that may hold them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/rows.h"

/* As get and find of struct rows_engine (rows.h). */
MUST_CHECK err_t run_get(struct kv_txn *txn, enum row_family family, const uint8_t *key, uint8_t *value);
MUST_CHECK err_t run_find(struct kv_txn *txn, enum row_family family, const uint8_t *keys, size_t count,
                          uint8_t *values, bool *found);
