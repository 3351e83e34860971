/* A row is a head (names, subscription), its period, instanceData, the quantity and a tail (meter). All but the
 * quantity come again and again within a page, so they are copied from where they were printed first: the output
 * itself is the cache, direct-mapped by dictionary ids. */
#include "api/usage_rows.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "usage/record.h"

/* Room made at once, so that a page grows in few steps. */
#define ROOM_AT_FIRST_BYTES ((size_t)128 * 1024)

struct usage_rows *usage_rows_begin(struct arena *arena, struct buffer *out, const struct guid *scope,
                                    bool operator_form, const struct meters *meters)
{
    struct usage_rows *rows = arena_zalloc(arena, sizeof *rows);
    if (rows == NULL || buffer_reserve(out, ROOM_AT_FIRST_BYTES) == NULL)
        return NULL;
    rows->out = out;
    rows->arena = arena;
    rows->meters = meters;
    rows->operator_form = operator_form;
    rows->start_ns = INT64_MIN;
    guid_print(scope, rows->scope);
    return rows;
}

void usage_rows_end(struct usage_rows *rows)
{
    buffer_free(&rows->inner);
}

/* --- what was printed before --- */

static bool repeat(struct usage_rows *rows, const struct usage_rows_seen *seen, uint32_t a, uint32_t b)
{
    if (seen->length == 0 || seen->subscription != a || seen->meter != b)
        return false;
    char *at = buffer_reserve(rows->out, seen->length);
    if (at != NULL) { /* else the output has failed */
        memcpy(at, rows->out->data + rows->out->start + seen->offset, seen->length);
        rows->out->end += seen->length;
    }
    return true;
}

static void remember(struct usage_rows *rows, struct usage_rows_seen *seen, uint32_t a, uint32_t b, size_t offset)
{
    *seen = (struct usage_rows_seen){ a, b, offset, buffer_len(rows->out) - offset };
}

static size_t name_slot(const struct listing_row *row)
{
    return (row->subscription_number * 31 + row->meter_number) % USAGE_ROWS_NAME_SLOTS;
}

/* --- parts --- */

static void put_names(struct usage_rows *rows, const struct listing_row *row)
{
    struct buffer *out = rows->out;
    char subscription[GUID_TEXT_SIZE];
    guid_print(&row->subscription, subscription);
    buffer_clear(&rows->inner);
    json_escape(&rows->inner, row->meter_id);
    struct text meter_id = buffer_text(&rows->inner);
    buffer_append_literal(out, "{\"id\":\"/subscriptions/");
    buffer_append(out, rows->scope, GUID_TEXT_LEN);
    buffer_append_literal(out, "/providers/Microsoft.Commerce/UsageAggregate/");
    buffer_append(out, subscription, GUID_TEXT_LEN);
    buffer_append_char(out, '-');
    buffer_append_text(out, meter_id);
    buffer_append_literal(out, "\",\"name\":\"");
    buffer_append(out, subscription, GUID_TEXT_LEN);
    buffer_append_char(out, '-');
    buffer_append_text(out, meter_id);
    buffer_append_literal(out,
                          "\",\"type\":\"Microsoft.Commerce/UsageAggregate\",\"properties\":{\"subscriptionId\":\"");
    buffer_append(out, subscription, GUID_TEXT_LEN);
    buffer_append_literal(out, "\",\"usageStartTime\":\"");
}

static void put_head(struct usage_rows *rows, const struct listing_row *row)
{
    struct usage_rows_seen *seen = &rows->heads[name_slot(row)];
    if (repeat(rows, seen, row->subscription_number, row->meter_number))
        return;
    size_t offset = buffer_len(rows->out);
    put_names(rows, row);
    remember(rows, seen, row->subscription_number, row->meter_number, offset);
}

static void put_period(struct usage_rows *rows, const struct listing_row *row)
{
    if (rows->start_ns != row->start_ns) {
        char start[INSTANT_TEXT_SIZE], end[INSTANT_TEXT_SIZE];
        instant_print_offset(row->start_ns, start);
        instant_print_offset(row->end_ns, end);
        rows->period_length =
            (size_t)snprintf(rows->period, sizeof rows->period, "%s\",\"usageEndTime\":\"%s\"", start, end);
        rows->start_ns = row->start_ns;
    }
    buffer_append(rows->out, rows->period, rows->period_length);
}

/* A member of the JSON inside the text: its name is given escaped once, its value is escaped twice. */
static void put_inner_member(struct usage_rows *rows, const char *before, struct text value)
{
    buffer_append_text(rows->out, text_of(before));
    if (value.len == 0)
        return;
    buffer_clear(&rows->inner);
    json_escape(&rows->inner, value);
    struct text once = buffer_text(&rows->inner);
    if (once.len == value.len) /* nothing to escape */
        buffer_append_text(rows->out, once);
    else
        json_escape(rows->out, once);
    rows->out->failed = rows->out->failed || rows->inner.failed;
}

/* What listing_write_instance_data says, as a string. */
static void put_instance_data(struct usage_rows *rows, const struct listing_row *row)
{
    struct usage_rows_seen *seen = &rows->instances[row->instance_number % USAGE_ROWS_INSTANCE_SLOTS];
    if (repeat(rows, seen, row->instance_number, 0))
        return;
    size_t offset = buffer_len(rows->out);
    put_inner_member(rows, ",\"instanceData\":\"{\\\"Microsoft.Resources\\\":{\\\"resourceUri\\\":\\\"",
                     row->instance.resource_uri);
    put_inner_member(rows, "\\\",\\\"location\\\":\\\"", row->instance.location);
    put_inner_member(rows, "\\\",\\\"tags\\\":\\\"", row->instance.tags);
    put_inner_member(rows, "\\\",\\\"additionalInfo\\\":\\\"", row->instance.additional_info);
    buffer_append_literal(rows->out, "\\\"}}\"");
    remember(rows, seen, row->instance_number, 0, offset);
}

static void put_quantity(struct usage_rows *rows, const struct listing_row *row)
{
    buffer_append_literal(rows->out, ",\"quantity\":");
    char *at = buffer_reserve(rows->out, DECIMAL_TEXT_SIZE);
    if (at != NULL)
        rows->out->end += decimal_sum_print(&row->quantity, at);
}

/* Public Azure's rows name their meter and unit, a stamp's do not; tenants are spared the join by hand. */
static err_t put_meter_names(struct usage_rows *rows, struct text meter_id)
{
    struct arena_mark mark = arena_mark(rows->arena);
    struct text key = meter_fold(rows->arena, meter_id);
    const struct meter *meter = key.ptr != NULL ? meters_find(rows->meters, key) : NULL;
    arena_rewind(rows->arena, mark);
    if (meter == NULL)
        return key.ptr != NULL ? ERROR_OK : ERROR_NO_MEMORY;
    const struct {
        const char *before;
        struct text value;
    } members[] = { { ",\"meterName\":\"", meter->name },
                    { ",\"meterCategory\":\"", meter->category },
                    { ",\"unit\":\"", meter->unit } };
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        buffer_append_text(rows->out, text_of(members[i].before));
        json_escape(rows->out, members[i].value);
        buffer_append_char(rows->out, '"');
    }
    return ERROR_OK;
}

static err_t put_tail(struct usage_rows *rows, const struct listing_row *row)
{
    struct usage_rows_seen *seen = &rows->tails[name_slot(row)];
    struct buffer *out = rows->out;
    err_t error = ERROR_OK;
    if (repeat(rows, seen, row->subscription_number, row->meter_number))
        return ERROR_OK;
    size_t offset = buffer_len(out);
    buffer_append_literal(out, ",\"meterId\":\"");
    json_escape(out, row->meter_id);
    buffer_append_char(out, '"');
    if (rows->operator_form) {
        char subscription[GUID_TEXT_SIZE];
        guid_print(&row->subscription, subscription);
        buffer_append_literal(out, ",\"name\":\"");
        buffer_append(out, subscription, GUID_TEXT_LEN);
        buffer_append_char(out, '-');
        json_escape(out, row->meter_id);
        buffer_append_char(out, '"');
    } else {
        error = put_meter_names(rows, row->meter_id);
    }
    buffer_append_literal(out, "}}");
    remember(rows, seen, row->subscription_number, row->meter_number, offset);
    return error;
}

err_t usage_rows_put(struct usage_rows *rows, const struct listing_row *row)
{
    if (rows->count++ > 0)
        buffer_append_char(rows->out, ',');
    put_head(rows, row);
    put_period(rows, row);
    if (row->has_instance)
        put_instance_data(rows, row);
    put_quantity(rows, row);
    err_t error = put_tail(rows, row);
    return rows->out->failed ? ERROR_NO_MEMORY : error;
}
