/* The embedded console and documentation. See static_files.h. Loop thread only; no state.
 * The two variants of a file (plain, gzip) carry different strong validators; a request's If-None-Match may name
 * either. Everything is revalidated (Cache-Control: no-cache), because names carry no hash and an update of the
 * program must show at once; a revalidation costs a 304. */
#include "net/static_files.h"

#include <string.h>

#include "base/gzip.h"
#include "net/assets.h"
#include "net/response.h"

#define CONTENT_SECURITY_POLICY                                                                                        \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "              \
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
#define PATH_SIZE 512
#define ETAG_SIZE 96

static const struct asset *find(struct text path)
{
    size_t low = 0, high = assets_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare(text_of(assets[middle].path), path);
        if (order == 0)
            return &assets[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static const struct asset *find_with(struct text path, struct text suffix)
{
    char joined[PATH_SIZE];
    if (path.len + suffix.len > sizeof joined)
        return NULL;
    memcpy(joined, path.ptr, path.len);
    memcpy(joined + path.len, suffix.ptr, suffix.len);
    return find((struct text){ joined, path.len + suffix.len });
}

static bool etag_listed(struct text header, struct text etag)
{
    struct text rest = header, item;
    while (text_cut(&rest, ',', &item)) {
        item = text_trim(item);
        if (text_equal(item, TEXT("*")))
            return true;
        if (text_starts_with(item, TEXT("W/")))
            item = (struct text){ item.ptr + 2, item.len - 2 };
        if (text_equal(item, etag))
            return true;
    }
    return false;
}

static struct text make_etag(struct http_exchange *exchange, const struct asset *asset, bool gzip)
{
    return arena_format(http_arena(exchange), "\"%s%s\"", asset->etag, gzip ? "-gz" : "");
}

static void set_headers(struct http_exchange *exchange, const struct asset *asset, struct text etag)
{
    http_set_header(exchange, TEXT("ETag"), etag);
    http_set_header(exchange, TEXT("Cache-Control"), TEXT("no-cache"));
    http_set_header(exchange, TEXT("Content-Security-Policy"), TEXT(CONTENT_SECURITY_POLICY));
    http_set_header(exchange, TEXT("Referrer-Policy"), TEXT("no-referrer"));
    http_set_header(exchange, TEXT("Cross-Origin-Opener-Policy"), TEXT("same-origin"));
    http_set_header(exchange, TEXT("Cross-Origin-Resource-Policy"), TEXT("same-origin"));
    if (asset->gzip_data != NULL)
        http_set_header(exchange, TEXT("Vary"), TEXT("Accept-Encoding"));
}

/* For a client that does not take gzip. */
static void respond_unpacked(struct http_exchange *exchange, const struct asset *asset)
{
    struct buffer plain = { 0 };
    struct text packed = { (const char *)asset->gzip_data, asset->gzip_size };
    if (gzip_decompress(packed, asset->size, &plain) != ERROR_OK) {
        buffer_free(&plain);
        http_respond_empty(exchange, error_http_status(ERROR_NO_MEMORY));
        return;
    }
    http_respond(exchange, 200, text_of(asset->mime), &plain);
}

static void respond(struct http_exchange *exchange, const struct asset *asset)
{
    const struct http_request *request = http_request(exchange);
    bool gzip = asset->gzip_data != NULL && response_accepts_gzip(http_header(request, TEXT("accept-encoding")));
    struct text plain_etag = make_etag(exchange, asset, false), gzip_etag = make_etag(exchange, asset, true);
    struct text known = http_header(request, TEXT("if-none-match"));
    set_headers(exchange, asset, gzip ? gzip_etag : plain_etag);
    if (known.len > 0 && (etag_listed(known, plain_etag) || etag_listed(known, gzip_etag))) {
        http_respond_empty(exchange, 304);
        return;
    }
    /* Said either way, so that the server leaves the choice made here alone. */
    http_set_header(exchange, TEXT("Content-Encoding"), gzip ? TEXT("gzip") : TEXT("identity"));
    if (!gzip && asset->gzip_data != NULL) {
        respond_unpacked(exchange, asset);
        return;
    }
    struct text body = gzip ? (struct text){ (const char *)asset->gzip_data, asset->gzip_size }
                            : (struct text){ (const char *)asset->data, asset->size };
    http_respond_static(exchange, 200, text_of(asset->mime), body);
}

bool static_files_respond(struct http_exchange *exchange, struct text path)
{
    enum http_method method = http_request(exchange)->method;
    if ((method != HTTP_GET && method != HTTP_HEAD) || path.len == 0 || path.ptr[0] != '/')
        return false;
    const struct asset *asset = find(path);
    if (asset == NULL && path.ptr[path.len - 1] == '/')
        asset = find_with(path, TEXT("index.html"));
    if (asset != NULL) {
        respond(exchange, asset);
        return true;
    }
    /* A folder's page has relative links, which work below its slash only. */
    if (path.ptr[path.len - 1] == '/' ||
        (find_with(path, TEXT("/")) == NULL && find_with(path, TEXT("/index.html")) == NULL))
        return false;
    http_set_header(exchange, TEXT("Location"), arena_format(http_arena(exchange), "%.*s/", TEXT_ARGS(path)));
    http_respond_empty(exchange, 308);
    return true;
}
