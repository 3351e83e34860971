/* The meter catalogue: names, units and categories of the meters of a stamp, as data (config/meters.csv).
 * Immutable after loading; any thread. */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"

struct meter {
    struct text id;  /* as the catalogue writes it */
    struct text key; /* folded: see meter_fold */
    struct text name, category, unit, resource_provider;
};

struct meters;

/* Reads the catalogue's CSV. Lives in the arena, borrows 'csv'. ERROR_INVALID_CONFIG names the line. */
MUST_CHECK err_t meters_load(struct arena *arena, struct text csv, struct meters **out, struct error_info *info);
/* By folded id; NULL when unknown. */
const struct meter *meters_find(const struct meters *meters, struct text key);
/* In the order of the catalogue. */
const struct meter *meters_all(const struct meters *meters, size_t *count);
