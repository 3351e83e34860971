/* Rows brought into key order: a radix sort of their keys' varying bits, because comparing keys of 24 bytes one by one
 * took longer than everything else that is done with a row. Writer thread only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/rows.h"

/* Where a row stands; 'rank' is scratch. */
struct row_rank {
    uint64_t rank;
    uint32_t index;
};

/* Memory kept from sort to sort. */
struct row_sorter {
    struct row_rank *ranks, *other;
    size_t capacity;
};

void row_sorter_free(struct row_sorter *sorter);
/* Row i's key lies at keys + i * stride. *order[i].index is the row that belongs in place i; of equal keys the first
 * comes first. Valid until the next call. ERROR_NO_MEMORY. */
MUST_CHECK err_t row_sort(struct row_sorter *sorter, enum row_family family, const void *keys, size_t stride,
                          size_t count, const struct row_rank **order);
