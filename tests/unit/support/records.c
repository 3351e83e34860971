/* Records as text: see records.h. */
#include "support/records.h"

#include "base/attributes.h"

struct post post_good(void)
{
    return (struct post){
        .id = "\"record-1\"",
        .source = "\"Microsoft.Compute\"",
        .subscription_id = "\"" POST_SUBSCRIPTION "\"",
        .meter_id = "\"" POST_METER "\"",
        .resource_uri = "\"" POST_RESOURCE "\"",
        .location = "\"east\"",
        .start = "\"2026-01-31T11:00:00Z\"",
        .end = "\"2026-01-31T12:00:00Z\"",
        .quantity = "\"4.25\"",
        .tags = "{\"cc\":\"4711\",\"env\":\"prod\"}",
        .additional_info = "{\"ServiceType\":\"Standard_D4_v2\",\"cores\":4}",
    };
}

void post_write(const struct post *post, struct buffer *out)
{
    const struct {
        const char *name, *value;
    } members[] = {
        { "id", post->id },
        { "source", post->source },
        { "subscriptionId", post->subscription_id },
        { "meterId", post->meter_id },
        { "resourceUri", post->resource_uri },
        { "location", post->location },
        { "usageStartTime", post->start },
        { "usageEndTime", post->end },
        { "quantity", post->quantity },
        { "tags", post->tags },
        { "additionalInfo", post->additional_info },
        { "reportedTime", post->reported },
    };
    bool first = true;
    buffer_append_char(out, '{');
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (members[i].value == NULL)
            continue;
        buffer_append_format(out, "%s\"%s\":%s", first ? "" : ",", members[i].name, members[i].value);
        first = false;
    }
    buffer_append_format(out, "%s}", post->more != NULL ? post->more : "");
}
