/* The route table, taken apart once and searched in order of preference: routes are sorted so that, segment by
 * segment, a literal stands before {name} and that before {name*}; the first that matches wins. A hundred routes
 * are a few hundred comparisons of lengths, less than parsing the request's head.
 * Thread: router_new anywhere, matching is read-only. Ownership: the caller's routes must outlive the router. */
#include "net/router.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "base/memory.h"
#include "net/exchange.h"

#define SEGMENTS_MAX 24

enum segment_kind { SEGMENT_LITERAL, SEGMENT_PARAMETER, SEGMENT_REST };

struct segment {
    enum segment_kind kind;
    struct text literal;
};

struct pattern {
    const struct route *route;
    struct segment segments[SEGMENTS_MAX];
    size_t count;
    size_t order; /* position in the caller's table, for a stable sort */
};

struct router {
    const struct route *routes;
    size_t count;
    struct pattern *patterns; /* sorted */
};

static const char *const METHOD_NAMES[HTTP_METHOD_COUNT] = {
    [HTTP_GET] = "GET",     [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",      [HTTP_PUT] = "PUT",
    [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS"
};

/* --- making --- */

static void parse_pattern(struct pattern *pattern, const struct route *route)
{
    struct text rest = text_of(route->pattern), piece;
    size_t parameters = 0;
    pattern->route = route;
    REQUIREF(rest.len > 0 && rest.ptr[0] == '/', "pattern %s does not begin with a slash", route->pattern);
    rest = (struct text){ rest.ptr + 1, rest.len - 1 };
    if (rest.len > 0 && rest.ptr[rest.len - 1] == '/')
        rest.len--;
    while (rest.len > 0 && text_cut(&rest, '/', &piece)) {
        REQUIREF(piece.len > 0 && pattern->count < SEGMENTS_MAX, "pattern %s", route->pattern);
        struct segment *segment = &pattern->segments[pattern->count++];
        *segment = (struct segment){ .kind = SEGMENT_LITERAL, .literal = piece };
        if (piece.ptr[0] != '{')
            continue;
        REQUIREF(piece.len > 2 && piece.ptr[piece.len - 1] == '}' && ++parameters <= HTTP_PATH_PARAMETERS_MAX,
                 "pattern %s", route->pattern);
        segment->kind = piece.ptr[piece.len - 2] == '*' ? SEGMENT_REST : SEGMENT_PARAMETER;
        REQUIREF(segment->kind != SEGMENT_REST || rest.ptr == NULL, "pattern %s goes on after its rest",
                 route->pattern);
    }
}

static int compare_literals(struct text a, struct text b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < shorter; i++) {
        int x = a.ptr[i], y = b.ptr[i];
        x = x >= 'A' && x <= 'Z' ? x - 'A' + 'a' : x;
        y = y >= 'A' && y <= 'Z' ? y - 'A' + 'a' : y;
        if (x != y)
            return x < y ? -1 : 1;
    }
    return (a.len > b.len) - (a.len < b.len);
}

/* Paths only; 0 for paths that match the same requests. */
static int compare_paths(const struct pattern *a, const struct pattern *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        const struct segment *x = &a->segments[i], *y = &b->segments[i];
        if (x->kind != y->kind)
            return x->kind < y->kind ? -1 : 1;
        int order = x->kind == SEGMENT_LITERAL ? compare_literals(x->literal, y->literal) : 0;
        if (order != 0)
            return order;
    }
    return (a->count > b->count) - (a->count < b->count); /* "/a" before "/a/{rest*}" */
}

static int compare_patterns(const void *a, const void *b)
{
    const struct pattern *x = a, *y = b;
    int order = compare_paths(x, y);
    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

struct router *router_new(const struct route *routes, size_t count)
{
    struct router *router = memory_zalloc(1, sizeof *router);
    REQUIRE(router != NULL);
    router->routes = routes;
    router->count = count;
    router->patterns = memory_zalloc(count > 0 ? count : 1, sizeof *router->patterns);
    REQUIRE(router->patterns != NULL);
    for (size_t i = 0; i < count; i++) {
        parse_pattern(&router->patterns[i], &routes[i]);
        router->patterns[i].order = i;
    }
    qsort(router->patterns, count, sizeof *router->patterns, compare_patterns);
    for (size_t i = 1; i < count; i++) {
        for (size_t k = i; k > 0 && compare_paths(&router->patterns[k - 1], &router->patterns[i]) == 0; k--)
            REQUIREF(router->patterns[k - 1].route->method != router->patterns[i].route->method, "route %s twice",
                     router->patterns[i].route->pattern);
    }
    return router;
}

void router_free(struct router *router)
{
    if (router == NULL)
        return;
    memory_free(router->patterns);
    memory_free(router);
}

const struct route *router_routes(const struct router *router, size_t *count)
{
    *count = router->count;
    return router->routes;
}

/* --- matching --- */

/* A request's path: its segments decoded as far as patterns can look, and where each began. */
struct path {
    struct text segments[SEGMENTS_MAX + 1];
    size_t starts[SEGMENTS_MAX + 1];
    size_t count; /* SEGMENTS_MAX + 1: that many or more */
    struct text raw;
};

static bool holds_nul(struct text t)
{
    return t.len > 0 && memchr(t.ptr, '\0', t.len) != NULL;
}

static err_t split_path(struct arena *arena, struct text raw, struct path *out)
{
    out->count = 0;
    if (raw.len > 0 && raw.ptr[0] == '/')
        raw = (struct text){ raw.ptr + 1, raw.len - 1 };
    if (raw.len > 0 && raw.ptr[raw.len - 1] == '/')
        raw.len--;
    out->raw = raw;
    struct text rest = raw, piece;
    while (rest.len > 0 && out->count <= SEGMENTS_MAX && text_cut(&rest, '/', &piece)) {
        struct text *segment = &out->segments[out->count];
        if (!percent_decode(arena, piece, false, segment) || holds_nul(*segment))
            return ERROR_BAD_REQUEST;
        out->starts[out->count++] = (size_t)(piece.ptr - raw.ptr);
        if (rest.ptr != NULL && rest.len == 0 && out->count <= SEGMENTS_MAX) { /* "a//": an empty last segment */
            out->segments[out->count] = TEXT("");
            out->starts[out->count++] = raw.len;
        }
    }
    return ERROR_OK;
}

static bool matches(const struct pattern *pattern, const struct path *path)
{
    for (size_t i = 0; i < pattern->count; i++) {
        const struct segment *segment = &pattern->segments[i];
        if (segment->kind == SEGMENT_REST)
            return true;
        if (i >= path->count)
            return false;
        if (segment->kind == SEGMENT_LITERAL && !text_equal_nocase(segment->literal, path->segments[i]))
            return false;
        if (segment->kind == SEGMENT_PARAMETER && path->segments[i].len == 0)
            return false;
    }
    return path->count == pattern->count;
}

static err_t fill_parameters(struct http_exchange *exchange, const struct pattern *pattern, const struct path *path)
{
    struct http_request *request = &exchange->request;
    request->parameter_count = 0;
    for (size_t i = 0; i < pattern->count; i++) {
        struct text *parameter = &request->parameters[request->parameter_count];
        switch (pattern->segments[i].kind) {
        case SEGMENT_LITERAL:
            continue;
        case SEGMENT_PARAMETER:
            *parameter = path->segments[i];
            break;
        case SEGMENT_REST: {
            size_t start = i < path->count ? path->starts[i] : path->raw.len;
            struct text rest = { path->raw.ptr + start, path->raw.len - start };
            *parameter = TEXT("");
            if (rest.len > 0 && (!percent_decode(exchange->arena, rest, false, parameter) || holds_nul(*parameter)))
                return ERROR_BAD_REQUEST;
            break;
        }
        }
        request->parameter_count++;
    }
    return ERROR_OK;
}

static err_t fill_query(struct http_exchange *exchange)
{
    struct http_request *request = &exchange->request;
    struct text rest = request->query, pair;
    size_t count = 0;
    request->query_fields = NULL;
    request->query_field_count = 0;
    if (rest.len == 0)
        return ERROR_OK;
    struct http_field *fields = arena_array(exchange->arena, HTTP_QUERY_PARAMETERS_MAX, sizeof *fields);
    if (fields == NULL)
        return ERROR_NO_MEMORY;
    while (text_cut(&rest, '&', &pair)) {
        struct text name;
        if (pair.len == 0)
            continue;
        if (count == HTTP_QUERY_PARAMETERS_MAX)
            return ERROR_BAD_REQUEST;
        (void)text_cut(&pair, '=', &name);
        if (!percent_decode(exchange->arena, name, false, &fields[count].name) ||
            !percent_decode(exchange->arena, pair.ptr != NULL ? pair : TEXT(""), false, &fields[count].value))
            return ERROR_BAD_REQUEST;
        count++;
    }
    request->query_fields = fields;
    request->query_field_count = count;
    return ERROR_OK;
}

static struct text allow_text(struct arena *arena, const bool allowed[HTTP_METHOD_COUNT])
{
    struct text list = TEXT("");
    for (int method = 0; method < HTTP_METHOD_COUNT; method++) {
        if (!allowed[method])
            continue;
        struct text longer =
            arena_format(arena, "%.*s%s%s", TEXT_ARGS(list), list.len > 0 ? ", " : "", METHOD_NAMES[method]);
        if (longer.ptr != NULL)
            list = longer;
    }
    return list;
}

err_t router_match(const struct router *router, struct http_exchange *exchange, const struct route **route,
                   struct text *allow)
{
    struct path path;
    bool allowed[HTTP_METHOD_COUNT] = { false };
    bool found = false;
    enum http_method method = exchange->request.method;
    *route = NULL;
    err_t error = split_path(exchange->arena, exchange->request.path, &path);
    if (error != ERROR_OK)
        return error;
    const struct pattern *chosen = NULL;
    for (size_t i = 0; i < router->count && chosen == NULL; i++) {
        const struct pattern *pattern = &router->patterns[i];
        if (!matches(pattern, &path))
            continue;
        found = true;
        allowed[pattern->route->method] = true;
        if (pattern->route->method == method)
            chosen = pattern;
    }
    for (size_t i = 0; i < router->count && chosen == NULL && method == HTTP_HEAD; i++) {
        if (router->patterns[i].route->method == HTTP_GET && matches(&router->patterns[i], &path))
            chosen = &router->patterns[i];
    }
    if (chosen == NULL) {
        allowed[HTTP_HEAD] = allowed[HTTP_HEAD] || allowed[HTTP_GET];
        *allow = found ? allow_text(exchange->arena, allowed) : TEXT_NONE;
        return found ? ERROR_METHOD_NOT_ALLOWED : ERROR_RESOURCE_NOT_FOUND;
    }
    error = fill_parameters(exchange, chosen, &path);
    if (error == ERROR_OK)
        error = fill_query(exchange);
    if (error == ERROR_OK)
        *route = chosen->route;
    return error;
}
