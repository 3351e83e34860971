/* Where a command that administers works: in a data directory whose server is stopped, or on a running server. Both
 * give the same answers, JSON as of the API's routes, so that commands print from one form. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/config.h"
#include "base/json.h"
#include "cli/flags.h"
#include "cli/remote.h"
#include "store/audit.h"
#include "store/store.h"

#define ADMIN_FLAGS                                                                                                    \
    FLAG_OPTION(OPTION_STORE_DATA_DIR, "DIR"),                                                                         \
        { "--config", "FILE", "The server's configuration, for its data directory.", 0, false },                       \
        { "--url", "URL", "Work on a running server instead of a data directory.", 0, false },                         \
        { "--ca", "FILE", "With --url: the certificates to trust, as PEM. Default: the machine's.", 0, false },        \
        { "--token-file", "FILE", "With --url: a file with an operator's token; '-' is standard input.", 0, false },   \
    {                                                                                                                  \
        "--json", NULL, "Prints JSON.", 0, false                                                                       \
    }

struct admin {
    const struct flags *flags;
    struct arena *arena;
    struct config config;
    bool is_remote;
    struct remote remote;
    struct store *store; /* NULL when remote */
};

/* Negative: go on, and admin_close later. Otherwise the exit code, after a line on stderr. */
MUST_CHECK int admin_open(const struct flags *flags, struct admin *out);
/* The same without opening the store of a data directory: for commands that look at its files themselves. */
MUST_CHECK int admin_open_folder(const struct flags *flags, struct admin *out);
/* Returns 'code', for return statements. */
int admin_close(struct admin *admin, int code);

/* A whole 'list' command: the elements, from 'target' of a running server (all pages of its "value") or from
 * list_local, as one JSON array, which 'print' shows. Returns the exit code. */
int admin_run_list(const struct command *command, int argc, char **argv, const char *target,
                   err_t (*list_local)(struct admin *admin, struct json_writer *array, struct error_info *info),
                   int (*print)(struct admin *admin, struct text array));
/* Runs a job on the local store with an entry in the audit log, by the command line: 'action' on kind and name
 * ("tokens/" and "0a1b..."). detail: JSON or TEXT_NONE; happened: see struct audited_job. */
MUST_CHECK err_t admin_run_audited(struct admin *admin, struct store_job *job, const char *action, const char *kind,
                                   const char *name, struct text detail, bool (*happened)(struct audited_job *audited));
/* Exit codes for what cannot be done: 1 for what is not there or is there already, else 3; prints the line. */
int admin_fail(err_t error, const struct error_info *info);
/* "?" where a member is missing. */
struct text admin_member(const struct json *object, struct text name);
/* An instant for a table: its date and time down to the second, "2026-01-31 13:00:00". */
struct text admin_time(struct admin *admin, struct text instant);
