/* Stores of an older schema, brought to the present one when they are opened: the file is written anew beside the old
 * one, which is kept as data.mdb.before-rebuild, and takes its place when it is complete. */
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"

/* For store_options.upgrade; the folder is locked. Schema 1: records, dictionary, tokens, users, subscriptions and
 * settings are taken over under the same sequences; the journal gets its chain, from now on with a key of its own.
 * ERROR_STORE_CORRUPT, ERROR_INSUFFICIENT_STORAGE, ... with a message. */
MUST_CHECK err_t migrate_store(const char *folder, uint32_t schema, struct error_info *info);
