/* Tokens and keys travel by hand: mailed, wrapped, pasted, saved with another program's line ends. */
#pragma once

#include "base/arena.h"
#include "base/attributes.h"
#include "base/text.h"

/* Without blanks, tabs and line ends, wherever they stand; in the arena. ptr NULL when memory is short. */
MUST_CHECK struct text pasted_text(struct arena *arena, struct text text);
