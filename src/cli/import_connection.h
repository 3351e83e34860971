/* A loop with a client on it, for commands that send much to a running server (import, bench): everything from the
 * files a user names to the first request. One thread. */
#pragma once

#include <stddef.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "net/client.h"
#include "net/loop.h"
#include "net/tls.h"

struct import_connection_options {
    const char *url;
    const char *ca_file;    /* NULL: the machine's trust anchors */
    const char *token_file; /* NULL: token is given */
    struct text token;
    size_t connections;
};

struct import_connection {
    struct loop *loop;
    struct client *client;
    struct tls_client *tls;
    struct buffer authorization; /* "Bearer <token>" */
    struct loop_task finish;
};

/* On an error there is nothing to close. */
MUST_CHECK err_t import_connection_open(struct import_connection *connection,
                                        const struct import_connection_options *options, struct error_info *info);
/* From any callback: loop_run comes back soon, with the client gone. */
void import_connection_finish(struct import_connection *connection);
/* After loop_run, or if it never ran. */
void import_connection_close(struct import_connection *connection);
/* Puts what an answer other than 200 says into *info, for a person. Returns its code. */
err_t import_connection_refusal(const struct client_response *response, struct error_info *info);
/* Milliseconds of the answer's Retry-After, 'otherwise' where it has none. */
uint32_t import_connection_retry_ms(const struct client_response *response, uint32_t otherwise);
