/* The one way out for broken invariants: print, then abort, so that a core dump shows the state. Uses
 * stdio on stderr only; no allocation, no locks of our own, because the process may be in any state. */
#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *file, int line, const char *function, const char *expression, const char *format, ...)
{
    char state[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(state, sizeof state, format, args);
    va_end(args);
    (void)fprintf(stderr, "%s:%d: %s: check failed: %s: %s\n", file, line, function, expression, state);
    (void)fflush(stderr);
    abort();
}
