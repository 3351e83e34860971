/* The catalogue is small (tens of rows): a sorted index of keys and a binary search. */
#include "usage/meters.h"

#include <stdlib.h>

#include "base/csv.h"
#include "usage/record.h"

struct meters {
    struct meter *rows;
    const struct meter **by_key;
    size_t count;
};

enum column { COLUMN_ID, COLUMN_NAME, COLUMN_CATEGORY, COLUMN_UNIT, COLUMN_PROVIDER, COLUMN_COUNT };
static const char *const column_names[COLUMN_COUNT] = { "meter_id", "name", "category", "unit", "resource_provider" };

static int compare_keys(const void *a, const void *b)
{
    const struct meter *const *left = a, *const *right = b;
    return text_compare((*left)->key, (*right)->key);
}

static err_t find_columns(const struct text *header, size_t count, size_t columns[COLUMN_COUNT],
                          struct error_info *info)
{
    for (int c = 0; c < COLUMN_COUNT; c++) {
        size_t i = 0;
        while (i < count && !text_equal(header[i], text_of(column_names[c])))
            i++;
        if (i == count)
            return error_set(info, ERROR_INVALID_CONFIG, NULL, "the meter catalogue has no column %s", column_names[c]);
        columns[c] = i;
    }
    return ERROR_OK;
}

static err_t read_rows(struct arena *arena, struct csv_reader *reader, struct text *fields,
                       const size_t columns[COLUMN_COUNT], struct meters *meters, struct error_info *info)
{
    size_t capacity = 0, count;
    err_t error;
    while ((error = csv_next(reader, arena, fields, &count)) == ERROR_OK) {
        if (meters->count == capacity) {
            capacity = capacity == 0 ? 128 : capacity * 2;
            struct meter *rows = arena_array(arena, capacity, sizeof *rows);
            if (rows == NULL)
                return ERROR_NO_MEMORY;
            for (size_t i = 0; i < meters->count; i++)
                rows[i] = meters->rows[i];
            meters->rows = rows;
        }
        for (int c = 0; c < COLUMN_COUNT; c++)
            if (columns[c] >= count)
                return error_set(info, ERROR_INVALID_CONFIG, NULL, "line %zu of the meter catalogue is too short",
                                 reader->line);
        struct meter *meter = &meters->rows[meters->count++];
        *meter = (struct meter){ fields[columns[COLUMN_ID]],   meter_fold(arena, fields[columns[COLUMN_ID]]),
                                 fields[columns[COLUMN_NAME]], fields[columns[COLUMN_CATEGORY]],
                                 fields[columns[COLUMN_UNIT]], fields[columns[COLUMN_PROVIDER]] };
        if (meter->key.ptr == NULL)
            return ERROR_NO_MEMORY;
    }
    if (error == ERROR_NOT_FOUND)
        return ERROR_OK;
    return error == ERROR_NO_MEMORY ? error
                                    : error_set(info, ERROR_INVALID_CONFIG, NULL,
                                                "line %zu of the meter catalogue is not CSV", reader->line);
}

static err_t load(struct arena *arena, struct text csv, struct meters **out, struct error_info *info)
{
    struct text *fields = arena_array(arena, CSV_FIELDS_MAX, sizeof *fields);
    struct meters *meters = arena_zalloc(arena, sizeof *meters);
    if (fields == NULL || meters == NULL)
        return ERROR_NO_MEMORY;
    struct csv_reader reader = csv_reader(csv);
    size_t count, columns[COLUMN_COUNT];
    err_t error = csv_next(&reader, arena, fields, &count);
    if (error != ERROR_OK && error != ERROR_NO_MEMORY)
        return error_set(info, ERROR_INVALID_CONFIG, NULL, "the meter catalogue is empty or not CSV");
    if (error == ERROR_OK)
        error = find_columns(fields, count, columns, info);
    if (error == ERROR_OK)
        error = read_rows(arena, &reader, fields, columns, meters, info);
    if (error != ERROR_OK)
        return error;
    meters->by_key = arena_array(arena, meters->count + 1, sizeof *meters->by_key);
    if (meters->by_key == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < meters->count; i++)
        meters->by_key[i] = &meters->rows[i];
    qsort(meters->by_key, meters->count, sizeof *meters->by_key, compare_keys);
    *out = meters;
    return ERROR_OK;
}

err_t meters_load(struct arena *arena, struct text csv, struct meters **out, struct error_info *info)
{
    err_t error = load(arena, csv, out, info);
    return error == ERROR_NO_MEMORY ? error_set(info, error, NULL, NULL) : error;
}

const struct meter *meters_find(const struct meters *meters, struct text key)
{
    struct meter wanted = { .key = key };
    const struct meter *pointer = &wanted;
    const struct meter **found = bsearch(&pointer, meters->by_key, meters->count, sizeof *meters->by_key, compare_keys);
    return found != NULL ? *found : NULL;
}

const struct meter *meters_all(const struct meters *meters, size_t *count)
{
    *count = meters->count;
    return meters->rows;
}
