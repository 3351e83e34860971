/* See coverage.h. */
#include "usage/coverage.h"

#include "base/instant.h"
#include "base/memory.h"
#include "store/journal.h"
#include "store/retention.h"

void coverage_free(struct coverage *coverage)
{
    memory_free(coverage->given_hours);
    *coverage = (struct coverage){ 0 };
}

/* Corrections come in the order of their reported time. */
static err_t give_hour(struct coverage *coverage, uint32_t hour)
{
    if (coverage->given_count > 0 && coverage->given_hours[coverage->given_count - 1] >= hour)
        return ERROR_OK;
    if (coverage->given_count == coverage->given_capacity) {
        size_t capacity = coverage->given_capacity == 0 ? 64 : 2 * coverage->given_capacity;
        uint32_t *hours = memory_realloc(coverage->given_hours, capacity * sizeof *hours);
        if (hours == NULL)
            return ERROR_NO_MEMORY;
        coverage->given_hours = hours;
        coverage->given_capacity = capacity;
    }
    coverage->given_hours[coverage->given_count++] = hour;
    return ERROR_OK;
}

static err_t note_definition(void *context, const struct journal_definition *definition)
{
    struct coverage *coverage = context;
    uint32_t *first = &coverage->first_ids[definition->kind];
    if (*first == 0 || definition->id < *first)
        *first = definition->id;
    return ERROR_OK;
}

static err_t find_lost_originals(struct journal_reader *reader, struct coverage *coverage)
{
    struct journal_entry entry;
    err_t error;
    while ((error = journal_next(reader, &entry)) == ERROR_OK) {
        if (entry.kind == JOURNAL_CORRECTION && entry.correction.original < coverage->first_sequence)
            error = give_hour(coverage, (uint32_t)instant_hour(entry.reported_ns));
        if (error != ERROR_OK)
            return error;
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* The commit with which the journal begins may not have been the first of its hour. */
static err_t begin_after(struct journal_reader *reader, struct coverage *coverage)
{
    struct journal_entry entry;
    int64_t commit_ns = reader->reported_ns;
    reader->define = note_definition;
    reader->context = coverage;
    err_t error = journal_next(reader, &entry);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    coverage->first_sequence = entry.sequence;
    if (entry.sequence == 1)
        return ERROR_OK;
    coverage->first_hour = (uint32_t)instant_hour(commit_ns) + 1;
    coverage->first_day = (uint32_t)instant_day(commit_ns) + 1;
    return find_lost_originals(reader, coverage);
}

err_t coverage_read(struct kv_txn *txn, struct coverage *out)
{
    struct retention_state retention;
    struct journal_reader reader;
    *out = (struct coverage){ 0 };
    err_t error = retention_read(txn, &retention);
    if (error != ERROR_OK)
        return error;
    out->hourly_end = retention.hourly_end;
    out->daily_end = retention.daily_end;
    error = journal_open(txn, 0, &reader);
    if (error != ERROR_OK)
        return error;
    error = begin_after(&reader, out);
    journal_close(&reader);
    if (error != ERROR_OK)
        coverage_free(out);
    return error;
}

/* Whether an hour of [first, end) is among the given ones. */
static bool is_given(const struct coverage *coverage, uint32_t first, uint32_t end)
{
    size_t low = 0, high = coverage->given_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (coverage->given_hours[middle] < first)
            low = middle + 1;
        else
            high = middle;
    }
    return low < coverage->given_count && coverage->given_hours[low] < end;
}

bool coverage_has_hour(const struct coverage *coverage, uint32_t hour)
{
    return hour >= coverage->first_hour && hour >= coverage->hourly_end && !is_given(coverage, hour, hour + 1);
}

bool coverage_has_day(const struct coverage *coverage, uint32_t day)
{
    return day >= coverage->first_day && day >= coverage->daily_end &&
           !is_given(coverage, day * HOURS_PER_DAY, (day + 1) * HOURS_PER_DAY);
}

bool coverage_has_id(const struct coverage *coverage, enum dictionary_kind kind, uint32_t id)
{
    if (coverage->first_sequence <= 1)
        return true;
    return coverage->first_ids[kind] != 0 && id >= coverage->first_ids[kind];
}

bool coverage_is_whole(const struct coverage *coverage)
{
    return coverage->first_sequence <= 1 && coverage->hourly_end == 0 && coverage->daily_end == 0;
}
