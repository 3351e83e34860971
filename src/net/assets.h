/* The files that the program carries: the console and its documentation (paths that begin with '/'), and data
 * such as the meter catalogue (paths that begin with "config/", which no request can name). The table is made by
 * web/embed.py at build time, sorted by path. */
#pragma once

#include <stddef.h>

struct asset {
    const char *path;
    const char *mime;
    /* A file is held in one form: as it is, or (data NULL, gzip_data set) compressed where that pays. 'size' is that of
     * the file itself. Those below config/ are held as they are. */
    const unsigned char *data;
    size_t size;
    const unsigned char *gzip_data;
    size_t gzip_size;
    /* Hex, without the quotes that HTTP puts around it. */
    const char *etag;
};

extern const struct asset assets[];
extern const size_t assets_count;
