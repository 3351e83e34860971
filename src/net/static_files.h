/* Serves the embedded files of web/ (console, docs): exact paths, ETag and If-None-Match, gzip variant,
 * Cache-Control, strict Content-Security-Policy and the other security headers. No file I/O at run time. */
#pragma once

#include <stdbool.h>

#include "net/http.h"

/* Answers and returns true when path (e.g. "/", "/docs/") names an embedded file; else false, nothing done. */
bool static_files_respond(struct http_exchange *exchange, struct text path);
