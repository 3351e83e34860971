/* Progress of a long command on a terminal: one line on stderr that is written over, at most ten times a second and not
 * before a second has passed; nothing where stderr is no terminal. One thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool on_terminal, shown;
    int64_t start_ns, last_ns;
};

void progress_begin(struct progress *progress);
/* total 0: not known. Fits the callbacks of verify, rebuild and restore (context: the struct). */
void progress_tell(void *progress, const char *what, uint64_t done, uint64_t total);
/* Clears the line. */
void progress_end(struct progress *progress);
