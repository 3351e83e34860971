/* A static route table. Patterns are paths whose segments are literals (compared without ASCII case),
 * {name} (one segment, percent-decoded, not empty) or, last only, {name*} (the rest of the path, may be
 * empty). Literals win over parameters. A trailing slash is ignored. */
#pragma once

#include "base/error.h"
#include "net/http.h"

struct route {
    enum http_method method;
    const char *pattern; /* "/v1/records/{source}/{id}" */
    void (*handle)(struct http_exchange *exchange, void *context);
    unsigned flags; /* meaning is the caller's: rights, body rules; bits below 16 are the router's own */
};

struct router;

/* routes must outlive the router. Aborts (REQUIRE) on two equal patterns for one method. */
struct router *router_new(const struct route *routes, size_t count);
void router_free(struct router *router);
/* Finds the route and fills parameters and query_fields of the exchange's request. ERROR_RESOURCE_NOT_FOUND;
 * ERROR_METHOD_NOT_ALLOWED with *allow = methods for the Allow header (arena text); ERROR_BAD_REQUEST for
 * a bad percent escape. HEAD falls back to GET (the server sends no body). */
MUST_CHECK err_t router_match(const struct router *router, struct http_exchange *exchange, const struct route **route,
                              struct text *allow);
/* For /openapi.json and the tidy tests. */
const struct route *router_routes(const struct router *router, size_t *count);
