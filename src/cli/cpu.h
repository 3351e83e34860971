/* Whether this machine can run what the compiler was allowed to use. */
#pragma once

/* The first missing instruction set, or NULL. Static text. */
const char *cpu_missing_feature(void);
