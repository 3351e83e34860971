/* The external resolver of commercial subscriptions: GET {url}/subscriptions/{id} over HTTPS. 200 carries the body that
 * PUT /v1/commerce/subscriptions takes, 404 says that nobody knows the subscription. Anything else (another status, no
 * answer in time, TLS, a body that makes no sense) is tried again after a pause that grows, and then ends the lookup
 * with ERROR_METADATA_RESOLVER_BAD_GATEWAY, whose message says what happened. A queue that is full is no attempt: the
 * lookup waits, and ends with ERROR_TOO_MANY_REQUESTS when that takes too long.
 *
 * Answers are kept in memory for cache_ns, "nobody knows it" for RESOLVER_UNKNOWN_NS_MAX at most, since that is what
 * people look at while they mend it. An answer that has expired is never used, also when the resolver fails: money
 * follows from it, and a refusal can be repeated.
 *
 * Loop thread. Bounds: RESOLVER_CONNECTIONS_MAX requests at once and RESOLVER_QUEUE_MAX that wait, of which one lookup
 * has RESOLVER_PARALLEL_MAX at most. */
#pragma once

#include <stdint.h>

#include "api/subscription_lookup.h"
#include "base/attributes.h"
#include "base/error.h"
#include "net/loop.h"
#include "net/tls.h"

#define RESOLVER_CONNECTIONS_MAX 16
#define RESOLVER_QUEUE_MAX 256
#define RESOLVER_PARALLEL_MAX 8
#define RESOLVER_ANSWER_BYTES_MAX ((size_t)64 * 1024)
#define RESOLVER_ATTEMPTS_MAX 10
#define RESOLVER_PAUSE_MS 200  /* before the second attempt; doubles with each */
#define RESOLVER_WAITS_MAX 150 /* pauses of RESOLVER_PAUSE_MS for a place in the queue: half a minute */
#define RESOLVER_PAUSE_MS_MAX 5000
#define RESOLVER_UNKNOWN_NS_MAX (30 * INT64_C(1000000000))

struct subscription_resolver;

struct subscription_resolver_options {
    struct loop *loop;
    struct text url; /* "https://host:8443/base" (https_url_is_valid); copied */
    struct tls_client *tls;
    struct text token;   /* sent as bearer token; "" for none; copied */
    uint32_t timeout_ms; /* to connect, and then to answer */
    unsigned attempts;   /* 1 to RESOLVER_ATTEMPTS_MAX */
    int64_t cache_ns;    /* 0: nothing is kept */
};

MUST_CHECK err_t subscription_resolver_new(const struct subscription_resolver_options *options,
                                           struct subscription_resolver **out, struct error_info *info);
/* Ends every lookup that is under way (as if the resolver had failed) and those that come later. Before the loop
 * ends. */
void subscription_resolver_stop(struct subscription_resolver *resolver);
/* After the loop has ended, or before it began. NULL is fine. */
void subscription_resolver_free(struct subscription_resolver *resolver);

/* As subscription_lookup_start. */
void subscription_resolver_start(struct subscription_resolver *resolver, struct subscription_lookup *lookup);
