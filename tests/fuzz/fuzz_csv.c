/* Fuzz target for records from CSV: rows cut off in pieces are those cut off at once and make up the whole, and what
 * becomes of a row is JSON. The first byte says where the stream is cut. */
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/json.h"
#include "usage/csv_records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_row(const struct csv_records *records, struct arena *arena, struct text row)
{
    struct text text;
    struct error_info info = { 0 };
    const struct json *value;
    err_t error = csv_records_row(records, arena, row, &text, &info);
    REQUIREF(error == ERROR_OK || error == ERROR_NOT_FOUND || error == ERROR_INVALID_PROPERTY, "error=%d", (int)error);
    if (error == ERROR_OK && text_is_utf8(row))
        REQUIREF(json_parse(arena, text, &value, &info) == ERROR_OK, "%s: %.*s", info.message, TEXT_ARGS(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct text whole = { (const char *)data + 1, size - 1 };
    size_t begin = 0, end = data[0] < whole.len ? data[0] : whole.len;
    struct arena *arena = arena_new(4096, 0);
    struct csv_records records;
    struct error_info info = { 0 };
    bool has_header = false;
    struct text all = whole, row_of_all = TEXT_NONE;
    REQUIRE(arena != NULL);
    for (;;) {
        struct text rest = { whole.ptr + begin, end - begin }, row = TEXT_NONE;
        enum csv_extent extent = csv_cut_row(&rest, end == whole.len, &row);
        if (extent == CSV_MORE) {
            REQUIRE(end < whole.len);
            end = whole.len;
            continue;
        }
        REQUIRE(csv_cut_row(&all, true, &row_of_all) == extent);
        if (extent == CSV_END)
            break;
        REQUIRE(row.len > 0 && row.ptr == whole.ptr + begin && row.ptr == row_of_all.ptr && row.len == row_of_all.len);
        begin += row.len;
        if (!has_header)
            has_header = csv_records_header(&records, arena, row, false, &info) == ERROR_OK;
        else if (extent == CSV_ROW)
            check_row(&records, arena, row);
    }
    REQUIRE(begin == whole.len);
    arena_free(arena);
    return 0;
}
