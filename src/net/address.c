/* Addresses as text. See address.h. */
#include "net/address.h"

#include <string.h>

static bool copy(struct text from, char *out, size_t size)
{
    if (from.len >= size)
        return false;
    memcpy(out, from.ptr, from.len);
    out[from.len] = '\0';
    return true;
}

static bool host_is_plausible(struct text host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        if (c <= ' ' || c >= 0x7f || strchr("/?#@[]\\", c) != NULL)
            return false;
    }
    return true;
}

/* Cuts "host", "host:port", "[v6]" or "[v6]:port"; port.ptr is NULL when there is none. */
static bool split(struct text text, struct text *host, struct text *port)
{
    *port = TEXT_NONE;
    if (text.len > 0 && text.ptr[0] == '[') {
        const char *end = memchr(text.ptr, ']', text.len);
        if (end == NULL)
            return false;
        *host = (struct text){ text.ptr + 1, (size_t)(end - text.ptr) - 1 };
        struct text rest = { end + 1, text.len - host->len - 2 };
        if (rest.len > 0 && rest.ptr[0] != ':')
            return false;
        if (rest.len > 0)
            *port = (struct text){ rest.ptr + 1, rest.len - 1 };
    } else {
        struct text rest = text;
        if (!text_cut(&rest, ':', host))
            return false;
        *port = rest;
        if (port->ptr != NULL && port->len > 0 && memchr(port->ptr, ':', port->len) != NULL)
            return false; /* IPv6 without brackets */
    }
    return host_is_plausible(*host);
}

static bool port_is_valid(struct text port)
{
    unsigned long long number;
    return port.len <= 5 && text_to_u64(port, &number) && number <= 65535;
}

bool address_parse(struct text text, struct address *out)
{
    struct text host, port;
    if (text.len == 0 || !split(text, &host, &port) || port.ptr == NULL || !port_is_valid(port))
        return false;
    if (host.len == 0 || text_equal(host, TEXT("*")))
        host = TEXT("0.0.0.0");
    return copy(host, out->host, sizeof out->host) && copy(port, out->port, sizeof out->port);
}

bool address_parse_url(struct text url, struct address *out, bool *secure)
{
    *secure = text_starts_with_nocase(url, TEXT("https://"));
    if (!*secure && !text_starts_with_nocase(url, TEXT("http://")))
        return false;
    size_t start = *secure ? 8 : 7, end = start;
    while (end < url.len && url.ptr[end] != '/' && url.ptr[end] != '?' && url.ptr[end] != '#')
        end++;
    struct text host, port;
    if (!split((struct text){ url.ptr + start, end - start }, &host, &port) || host.len == 0)
        return false;
    if (port.len == 0)
        port = *secure ? TEXT("443") : TEXT("80");
    return port_is_valid(port) && copy(host, out->host, sizeof out->host) && copy(port, out->port, sizeof out->port);
}
