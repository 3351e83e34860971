/* The route table: which pattern wins, what the parameters and query fields hold, what Allow says. */
#include "support/testing.h"

#include "base/arena.h"
#include "net/exchange.h"
#include "net/router.h"

static void handle(struct http_exchange *exchange, void *context)
{
    (void)exchange;
    (void)context;
}

static const struct route routes[] = {
    { HTTP_GET, "/", handle, 0 },
    { HTTP_GET, "/v1/records/{source}/{id}", handle, 1 },
    { HTTP_GET, "/v1/records/latest/{id}", handle, 2 },
    { HTTP_POST, "/v1/usage", handle, 3 },
    { HTTP_DELETE, "/v1/usage", handle, 4 },
    { HTTP_GET, "/files/{path*}", handle, 5 },
    { HTTP_GET, "/files/index", handle, 6 },
    { HTTP_GET, "/subscriptions/{id}/providers/Microsoft.Commerce/UsageAggregates", handle, 7 },
    { HTTP_POST, "/v1/records/{source}/{id}", handle, 8 },
};

struct match {
    struct http_exchange exchange;
    const struct route *route;
    struct text allow;
    err_t error;
};

static struct match match(enum http_method method, const char *path, const char *query)
{
    struct match m = { .route = NULL };
    struct router *router = router_new(routes, COUNT_OF(routes));
    exchange_begin(&m.exchange, NULL, arena_new(1024, 0));
    m.exchange.request.method = method;
    m.exchange.request.path = text_of(path);
    m.exchange.request.query = query != NULL ? text_of(query) : TEXT_NONE;
    m.error = router_match(router, &m.exchange, &m.route, &m.allow);
    router_free(router);
    return m;
}

static void assert_route(enum http_method method, const char *path, unsigned flags)
{
    struct match m = match(method, path, NULL);
    if (m.error != ERROR_OK || m.route->flags != flags)
        fail_msg("%s: %s, route %d", path, error_wire_code(m.error), m.route != NULL ? (int)m.route->flags : -1);
    arena_free(m.exchange.arena);
}

static void assert_no_route(enum http_method method, const char *path, err_t error)
{
    struct match m = match(method, path, NULL);
    if (m.error != error)
        fail_msg("%s: %s", path, error_wire_code(m.error));
    arena_free(m.exchange.arena);
}

static void paths_find_their_routes(void **state)
{
    (void)state;
    assert_route(HTTP_GET, "/", 0);
    assert_route(HTTP_GET, "/v1/records/Microsoft.Compute/17", 1);
    assert_route(HTTP_GET, "/v1/records/latest/17", 2);
    assert_route(HTTP_GET, "/V1/Records/LATEST/17", 2);
    assert_route(HTTP_GET, "/v1/records/latest/17/", 2);
    assert_route(HTTP_POST, "/v1/records/latest/17", 8); /* the literal route has no POST */
    assert_route(HTTP_POST, "/v1/%75sage", 3);
    assert_route(HTTP_GET, "/files/a/b/c", 5);
    assert_route(HTTP_GET, "/files", 5);
    assert_route(HTTP_GET, "/files/", 5);
    assert_route(HTTP_GET, "/files/index", 6);
    assert_route(HTTP_GET, "/files/index/", 6);
    assert_route(HTTP_GET, "/files/index/x", 5);
    assert_route(HTTP_GET, "/SUBSCRIPTIONS/1/providers/microsoft.commerce/usageAggregates", 7);
    assert_route(HTTP_HEAD, "/files/index", 6);
}

static void other_paths_find_none(void **state)
{
    (void)state;
    assert_no_route(HTTP_GET, "/v2", ERROR_RESOURCE_NOT_FOUND);
    assert_no_route(HTTP_GET, "/v1", ERROR_RESOURCE_NOT_FOUND);
    assert_no_route(HTTP_GET, "/v1/records/a", ERROR_RESOURCE_NOT_FOUND);
    assert_no_route(HTTP_GET, "/v1/records//b", ERROR_RESOURCE_NOT_FOUND);
    assert_no_route(HTTP_GET, "/v1/records/a/b/c", ERROR_RESOURCE_NOT_FOUND);
    assert_no_route(HTTP_GET, "/v1/records/a/b//", ERROR_RESOURCE_NOT_FOUND);
    assert_no_route(HTTP_GET, "/v1%2Frecords/a/b", ERROR_RESOURCE_NOT_FOUND);
    assert_no_route(HTTP_GET, "/v1/records/a/%zz", ERROR_BAD_REQUEST);
    assert_no_route(HTTP_GET, "/v1/records/a/%4", ERROR_BAD_REQUEST);
    assert_no_route(HTTP_GET, "/v1/records/a/x%00y", ERROR_BAD_REQUEST);
    assert_no_route(HTTP_GET, "/files/a/%00", ERROR_BAD_REQUEST);
    assert_no_route(HTTP_GET, "*", ERROR_RESOURCE_NOT_FOUND);
    assert_no_route(HTTP_GET, "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", ERROR_RESOURCE_NOT_FOUND);
    assert_route(HTTP_GET, "/files/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", 5);
}

static void parameters_are_decoded(void **state)
{
    (void)state;
    struct match m = match(HTTP_GET, "/v1/records/a%2Fb%20c+d/%C3%A4", NULL);
    assert_ok(m.error);
    assert_int_equal(m.exchange.request.parameter_count, 2);
    assert_text(m.exchange.request.parameters[0], "a/b c+d");
    assert_text(m.exchange.request.parameters[1], "\xc3\xa4");
    arena_free(m.exchange.arena);

    m = match(HTTP_GET, "/files/a/b%20c//d", NULL);
    assert_ok(m.error);
    assert_int_equal(m.exchange.request.parameter_count, 1);
    assert_text(m.exchange.request.parameters[0], "a/b c//d");
    arena_free(m.exchange.arena);

    m = match(HTTP_GET, "/files/", NULL);
    assert_text(m.exchange.request.parameters[0], "");
    arena_free(m.exchange.arena);
}

static void query_fields_are_decoded(void **state)
{
    (void)state;
    bool found;
    struct match m = match(HTTP_GET, "/", "start=2019-12-10T19:00:00+00:00&A%20b=c%26d&flag&&empty=&x=a=b&x=2");
    assert_ok(m.error);
    const struct http_request *request = http_request(&m.exchange);
    assert_int_equal(request->query_field_count, 6);
    assert_text(http_query(request, TEXT("START"), &found), "2019-12-10T19:00:00+00:00");
    assert_true(found);
    assert_text(http_query_plus_space(&m.exchange, TEXT("start"), &found), "2019-12-10T19:00:00 00:00");
    assert_true(found);
    assert_text(http_query(request, TEXT("a b"), &found), "c&d");
    assert_text(http_query(request, TEXT("flag"), &found), "");
    assert_true(found);
    assert_text(http_query(request, TEXT("empty"), &found), "");
    assert_true(found);
    assert_text(http_query(request, TEXT("x"), &found), "a=b");
    (void)http_query(request, TEXT("absent"), &found);
    assert_false(found);
    (void)http_query_plus_space(&m.exchange, TEXT("absent"), &found);
    assert_false(found);
    arena_free(m.exchange.arena);

    m = match(HTTP_GET, "/", "a=%");
    assert_error(m.error, ERROR_BAD_REQUEST);
    arena_free(m.exchange.arena);
}

static void too_many_query_fields_are_refused(void **state)
{
    (void)state;
    char query[HTTP_QUERY_PARAMETERS_MAX * 4 + 8] = "";
    for (int i = 0; i < HTTP_QUERY_PARAMETERS_MAX; i++)
        memcpy(query + 4 * i, "a=1&", 5);
    struct match m = match(HTTP_GET, "/", query);
    assert_ok(m.error);
    assert_int_equal(m.exchange.request.query_field_count, HTTP_QUERY_PARAMETERS_MAX);
    arena_free(m.exchange.arena);
    memcpy(query + 4 * HTTP_QUERY_PARAMETERS_MAX, "b=1", 4);
    m = match(HTTP_GET, "/", query);
    assert_error(m.error, ERROR_BAD_REQUEST);
    arena_free(m.exchange.arena);
}

static void allow_lists_the_methods(void **state)
{
    (void)state;
    struct match m = match(HTTP_PUT, "/v1/usage", NULL);
    assert_error(m.error, ERROR_METHOD_NOT_ALLOWED);
    assert_text(m.allow, "POST, DELETE");
    arena_free(m.exchange.arena);
    m = match(HTTP_DELETE, "/v1/records/latest/1", NULL);
    assert_error(m.error, ERROR_METHOD_NOT_ALLOWED);
    assert_text(m.allow, "GET, HEAD, POST");
    arena_free(m.exchange.arena);
    m = match(HTTP_HEAD, "/v1/usage", NULL);
    assert_error(m.error, ERROR_METHOD_NOT_ALLOWED);
    arena_free(m.exchange.arena);
}

static void equal_routes_abort(void *context)
{
    static const struct route twice[] = { { HTTP_GET, "/a/{b}", handle, 0 },
                                          { HTTP_PUT, "/a/{b}", handle, 0 },
                                          { HTTP_GET, "/A/{c}", handle, 0 } };
    (void)context;
    router_free(router_new(twice, COUNT_OF(twice)));
}

static void equal_routes_are_refused(void **state)
{
    (void)state;
    assert_true(aborts(equal_routes_abort, NULL));
}

static void routes_are_given_back(void **state)
{
    (void)state;
    size_t count;
    struct router *router = router_new(routes, COUNT_OF(routes));
    assert_ptr_equal(router_routes(router, &count), routes);
    assert_int_equal(count, COUNT_OF(routes));
    router_free(router);
}

TESTS(cmocka_unit_test(paths_find_their_routes), cmocka_unit_test(other_paths_find_none),
      cmocka_unit_test(parameters_are_decoded), cmocka_unit_test(query_fields_are_decoded),
      cmocka_unit_test(too_many_query_fields_are_refused), cmocka_unit_test(allow_lists_the_methods),
      cmocka_unit_test(equal_routes_are_refused), cmocka_unit_test(routes_are_given_back))
