/* The audit log's line for an import of history: one for each importer and hour, since an import is many batches.
 * Writer thread, in the batch's transaction. */
#pragma once

#include "base/attributes.h"
#include "base/error.h"
#include "usage/ingest.h"

MUST_CHECK err_t import_audit(struct store_write *write, const struct ingest_batch *batch);
