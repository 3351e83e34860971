/* See record_members.h. */
#include "api/record_members.h"

#include <stdio.h>

#include "base/members.h"

void put_decimal_member(struct json_writer *json, const char *name, const struct decimal *value)
{
    char text[DECIMAL_TEXT_SIZE];
    json_name(json, name);
    json_put_raw(json, (struct text){ text, decimal_print(value, text) });
}

void put_sequence_member(struct json_writer *json, const char *name, uint64_t sequence)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)sequence);
    json_name(json, name);
    json_put_cstring(json, text);
}

/* Posted as an object or as a text. */
static void put_attributes(struct json_writer *json, const char *name, struct text value, bool is_string)
{
    if (value.ptr == NULL)
        return;
    json_name(json, name);
    if (is_string)
        json_put_text(json, value);
    else
        json_put_raw(json, value);
}

void put_record_members(struct json_writer *json, const struct record_view *view, bool with_producer)
{
    const struct journal_record *record = view->record;
    const struct instance *instance = &view->instance;
    char text[DECIMAL_TEXT_SIZE];
    put_sequence_member(json, "sequence", record->sequence);
    put_time_member(json, "reportedTime", record->reported_ns);
    if (with_producer)
        put_member(json, "producer", view->producer);
    put_member(json, "id", record->id);
    put_member(json, "source", view->source);
    put_guid_member(json, "subscriptionId", &view->subscription);
    put_member(json, "meterId", view->meter_id);
    put_member(json, "resourceUri", instance->resource_uri);
    if (instance->location.len > 0)
        put_member(json, "location", instance->location);
    put_time_member(json, "usageStartTime", record->start_ns);
    put_time_member(json, "usageEndTime", record->end_ns);
    struct text quantity = { text, decimal_print(&record->quantity, text) };
    json_name(json, "quantity");
    if (record->quantity_is_number)
        json_put_raw(json, quantity);
    else
        json_put_text(json, quantity);
    put_attributes(json, "tags", instance->tags, instance->tags_is_string);
    put_attributes(json, "additionalInfo", instance->additional_info, instance->additional_info_is_string);
}

void put_correction_members(struct json_writer *json, const struct journal_correction *correction)
{
    json_name(json, "action");
    json_put_cstring(json, correction_action_name(correction->action));
    put_decimal_member(json, "quantity", &correction->quantity);
    put_decimal_member(json, "difference", &correction->difference);
    put_member(json, "reason", correction->reason);
    put_member(json, "by", correction->by);
}

bool identity_sees(const struct identity *identity, struct text source, const struct guid *subscription)
{
    switch (identity->role) {
    case ROLE_OPERATOR:
        return true;
    case ROLE_TENANT:
        return guid_equal(&identity->subscription, subscription);
    case ROLE_PRODUCER:
        for (size_t i = 0; i < identity->source_count; i++)
            if (text_equal(identity->sources[i], TEXT("*")) || text_equal(identity->sources[i], source))
                return true;
        return false;
    case ROLE_COMMERCE:
    case ROLE_COUNT:
        break;
    }
    return false;
}
