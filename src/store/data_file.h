/* The store's file as a file: looked at before LMDB maps it, and replaced as a whole. */
#pragma once

#include "base/attributes.h"
#include "base/error.h"

#define DATA_FILE_NAME "data.mdb"
/* The file that was replaced, kept until the operator removes it. */
#define DATA_FILE_BEFORE "data.mdb.before-rebuild"

/* Whether folder/data.mdb can be mapped: not empty, first pages sound, no page of a tree behind its end.
 * ERROR_NOT_FOUND, ERROR_STORE_CORRUPT, ERROR_IO with a line for a person. */
MUST_CHECK err_t data_file_check(const char *folder, struct error_info *info);

/* Puts folder/fresh/data.mdb, which must be complete, in the place of folder/data.mdb, which becomes DATA_FILE_BEFORE
 * (in the place of an older one). Whatever happens, folder/data.mdb is one or the other, whole. */
MUST_CHECK err_t data_file_replace(const char *folder, const char *fresh, struct error_info *info);
