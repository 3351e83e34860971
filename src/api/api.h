/* The HTTP surface: route table, rights, request ids, error bodies, and one file per resource family. Owns no
 * sockets and no store; wires the two together. All functions here are for the loop thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/workers.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/server.h"
#include "store/store.h"

struct api;
struct subscription_resolver;

struct api_options {
    struct loop *loop;
    struct store *store;
    struct workers *workers; /* for long reads and password hashing */
    const struct clock *clock;
    const char *version;
    struct text trusted_key_id;             /* registration.trusted_key_id; borrowed */
    struct subscription_resolver *resolver; /* of commercial subscriptions; NULL: the catalogue */
    bool without_stamp, without_commerce;   /* server.role: routes of the other role are not there */
    int64_t usage_future_ns_max, usage_age_ns_max;
    int64_t session_ns;
    uint32_t password_iterations;
    const char
        *commerce_public_url; /* "https://...", as stamps are told; "" or NULL: that of the request, if it is ours */
    const char *own_url;      /* "https://...", where this machine reaches the server; filled before it serves */
    int64_t commerce_capacity_ns; /* how long a Capacity registration holds */
    const char *certificate_file; /* for doctor; NULL: none */
    /* Demo only, NULL otherwise: moves the simulated clock by delta_ns and calls done(done_context, now_ns) on
     * the loop thread when everything that falls due until then has been done. */
    void (*advance_clock)(void *context, int64_t delta_ns, void (*done)(void *done_context, int64_t now_ns),
                          void *done_context);
    void *advance_context;
};

MUST_CHECK err_t api_new(const struct api_options *options, struct api **out, struct error_info *info);
/* After the server has drained. */
void api_free(struct api *api);
/* Set once the server exists, for status and metrics. */
void api_set_server(struct api *api, struct server *server);
/* Options that SIGHUP may change. */
void api_set_limits(struct api *api, int64_t usage_future_ns_max, int64_t usage_age_ns_max, int64_t session_ns);
/* /readyz answers 503 from now on (shutdown). */
void api_set_draining(struct api *api);

/* The callbacks for struct server_options; context is the struct api. */
void api_on_request(struct http_exchange *exchange, void *context);
err_t api_on_headers(struct http_exchange *exchange, void *context, struct error_info *info);
void api_write_error(struct http_exchange *exchange, const struct error_info *info, struct buffer *body);
void api_on_done(const struct http_exchange *exchange, int status, uint64_t body_bytes, int64_t duration_ns,
                 void *context);
