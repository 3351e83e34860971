/* Whether everything that the engine of runs has stored is as it was written and fits together. */
#pragma once

#include "base/attributes.h"
#include "base/error.h"
#include "store/rows.h"

/* As check of struct rows_engine (rows.h). */
MUST_CHECK err_t run_check(struct kv_txn *txn, enum row_family family,
                           void (*fault)(void *context, const char *sentence), void *context);
