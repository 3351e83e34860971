/* Addresses of other servers as people and signed keys name them. Pure, any thread. */
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/text.h"

/* "https://host[:port][/path]" in printable ASCII: without query, fragment, user, quotes, blanks or control characters,
 * so that it can go into a request, a log line or a terminal as it is. */
MUST_CHECK bool https_url_is_valid(struct text url);
