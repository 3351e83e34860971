/* Limits and types that the HTTP files share. Apart from http.h because its method names and those of the
 * parser library clash: the files that know the library include this one only. */
#pragma once

#include "base/text.h"

#define HTTP_HEADERS_MAX 64
#define HTTP_HEADER_BYTES_MAX 16384 /* names and values; trailers count too */
#define HTTP_TARGET_BYTES_MAX 8192
#define HTTP_CHUNK_EXTENSION_BYTES_MAX 4096 /* a message */
#define HTTP_BODY_BYTES_MAX (16 * 1024 * 1024)
#define HTTP_PATH_PARAMETERS_MAX 8
#define HTTP_QUERY_PARAMETERS_MAX 64

struct http_field {
    struct text name; /* as received; compare without case */
    struct text value;
};
