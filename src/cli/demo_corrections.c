/* The records of an hour are simulated once more and some of them picked by their place among Compute's. */
#include "cli/demo_corrections.h"

#include "base/arena.h"
#include "base/decimal.h"
#include "base/json.h"

/* Places that spread over machines and disks. */
#define FIRST_PICKED 5
#define PICKED_EVERY 23
#define ARENA_BLOCK_BYTES 4096

struct picking {
    struct arena *arena;
    struct buffer *body;
    size_t seen, picked, wanted;
};

static void put_text(struct json_writer *json, const char *name, struct text value)
{
    json_name(json, name);
    json_put_text(json, value);
}

/* Every third was not used at all, the others for half of what was reported. */
static err_t put_correction(struct picking *picking, struct text record)
{
    const struct json *root;
    struct text id, source;
    struct decimal quantity;
    char half[DECIMAL_TEXT_SIZE];
    err_t error = json_parse(picking->arena, record, &root, NULL);
    if (error != ERROR_OK)
        return error;
    const struct json *value = json_member(root, TEXT("quantity"));
    if (!json_member_string(root, TEXT("id"), &id) || !json_member_string(root, TEXT("source"), &source) ||
        value == NULL || json_type(value) != JSON_NUMBER || decimal_parse(json_number(value), &quantity) != ERROR_OK)
        return ERROR_INTERNAL;
    bool is_void = picking->picked % 3 == 2;
    quantity = decimal_share(&quantity, 1, 2);
    buffer_append_char(picking->body, picking->picked == 0 ? '[' : ',');
    struct json_writer json = json_writer(picking->body);
    json_begin_object(&json);
    put_text(&json, "source", source);
    put_text(&json, "id", id);
    put_text(&json, "action", is_void ? TEXT("void") : TEXT("amend"));
    if (!is_void)
        put_text(&json, "quantity", (struct text){ half, decimal_print(&quantity, half) });
    put_text(&json, "reason",
             is_void ? TEXT("the resource was gone already") : TEXT("the host failed after half an hour"));
    json_end_object(&json);
    picking->picked++;
    return ERROR_OK;
}

static err_t look_at(void *context, const struct demo_report *report)
{
    struct picking *picking = context;
    if (report->source != DEMO_COMPUTE || report->kind != DEMO_REGULAR || picking->picked == picking->wanted ||
        picking->seen++ % PICKED_EVERY != FIRST_PICKED)
        return ERROR_OK;
    return put_correction(picking, report->record);
}

err_t demo_corrections_of(const struct demo_stamp *stamp, int64_t posting_hour, struct buffer *body)
{
    bool first = posting_hour == stamp->start_hour;
    buffer_clear(body);
    if (!first && posting_hour % DEMO_CORRECTED_HOURS != 0)
        return ERROR_OK;
    struct picking picking = { .body = body, .wanted = first ? DEMO_CORRECTIONS_AT_START : 1 };
    picking.arena = arena_new(ARENA_BLOCK_BYTES, 0);
    if (picking.arena == NULL)
        return ERROR_NO_MEMORY;
    err_t error = demo_stamp_report(stamp, posting_hour - 1, false, look_at, &picking);
    if (picking.picked > 0)
        buffer_append_char(body, ']');
    arena_free(picking.arena);
    return error == ERROR_OK && body->failed ? ERROR_NO_MEMORY : error;
}
