/* Commands whose answer is one JSON object with a member "text" for people: printing either, and asking a server. */
#pragma once

#include "base/attributes.h"
#include "base/buffer.h"
#include "cli/admin.h"
#include "net/http_types.h"

/* Prints the object with --json, else its text. Returns 'code', or what a failed write makes of it. */
MUST_CHECK int report_print(struct admin *admin, struct text object, int code);
/* Asks a running server; long jobs may take hours. The body is appended to *out. Errors have a line for a person. */
MUST_CHECK err_t report_fetch(struct admin *admin, enum http_method method, const char *target, struct text body,
                              struct buffer *out, struct error_info *info);
/* Exit code for an error: 1 when the command ran and found damage, else 3; prints the line. */
int report_fail(err_t error, const struct error_info *info);
/* Holds the lock of the admin's data directory, so that no server opens it meanwhile. */
MUST_CHECK err_t report_lock(const struct admin *admin, int *lock_fd, struct error_info *info);
