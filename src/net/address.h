/* Private to net/: "host:port" and URLs taken apart. Pure. */
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/text.h"

struct address {
    char host[256]; /* without brackets */
    char port[8];   /* decimal */
};

/* "127.0.0.1:8443", "[::1]:0", "localhost:8443"; "*:8443" and ":8443" mean all addresses. */
MUST_CHECK bool address_parse(struct text text, struct address *out);
/* "https://host[:port][/...]"; port 443, or 80 for http. *secure tells which. */
MUST_CHECK bool address_parse_url(struct text url, struct address *out, bool *secure);
