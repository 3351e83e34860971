/* See progress.h. */
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/instant.h"

#define INTERVAL_NS (NS_PER_SECOND / 10)

void progress_begin(struct progress *progress)
{
    *progress =
        (struct progress){ .on_terminal = isatty(STDERR_FILENO) == 1, .start_ns = clock_monotonic_ns(clock_system()) };
}

void progress_tell(void *context, const char *what, uint64_t done, uint64_t total)
{
    struct progress *progress = context;
    if (!progress->on_terminal)
        return;
    int64_t now_ns = clock_monotonic_ns(clock_system());
    if (now_ns - progress->start_ns < NS_PER_SECOND || now_ns - progress->last_ns < INTERVAL_NS)
        return;
    progress->last_ns = now_ns;
    progress->shown = true;
    if (total > 0)
        (void)fprintf(stderr, "\r\033[K%s: %llu %%", what, (unsigned long long)(done * 100 / total));
    else
        (void)fprintf(stderr, "\r\033[K%s%s", what, done > 0 ? " ..." : "");
    (void)fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->shown)
        (void)fputs("\r\033[K", stderr);
    progress->shown = false;
}
