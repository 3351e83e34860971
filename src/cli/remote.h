/* One request to a running server, for commands that administer it. Blocking; makes and ends a loop of its own. */
#pragma once

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "net/http.h"

struct remote {
    const char *url;        /* "https://127.0.0.1:8443" */
    const char *ca_file;    /* NULL: the machine's trust anchors */
    const char *token_file; /* first line; "-": standard input */
    uint32_t timeout_ms;    /* for the answer; 0: a minute */
};

struct remote_answer {
    int status;
    struct buffer body; /* the caller's to free */
};

/* body: JSON, or TEXT_NONE. ERROR_OK: an answer came, whatever its status. */
MUST_CHECK err_t remote_call(const struct remote *remote, enum http_method method, struct text target, struct text body,
                             struct remote_answer *out, struct error_info *info);
/* Puts what a refusal says into *info, as a line for a person. */
err_t remote_refusal(const struct remote_answer *answer, struct error_info *info);
