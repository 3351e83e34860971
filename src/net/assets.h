/* The files that the program carries: the console and its documentation (paths that begin with '/'), and data
 * such as the meter catalogue (paths that begin with "config/", which no request can name). The table is made by
 * web/embed.py at build time, sorted by path. */
#pragma once

#include <stddef.h>

struct asset {
    const char *path;
    const char *mime;
    const unsigned char *data;
    size_t size;
    /* NULL and 0 where compression does not pay. */
    const unsigned char *gzip_data;
    size_t gzip_size;
    /* Hex, without the quotes that HTTP puts around it. */
    const char *etag;
};

extern const struct asset assets[];
extern const size_t assets_count;
