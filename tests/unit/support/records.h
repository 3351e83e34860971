/* Usage records as producers write them, built member by member. */
#pragma once

#include <stddef.h>

#include "base/buffer.h"

/* Each member is the JSON text of its value ("\"east\"", "1.5", "{}"); NULL leaves it out. */
struct post {
    const char *id, *source, *subscription_id, *meter_id, *resource_uri, *location, *start, *end, *quantity, *tags,
        *additional_info, *reported;
    const char *more; /* further members as text, such as ",\"x\":1" */
};

#define POST_SUBSCRIPTION "5d1a3c06-8a5e-4c6c-9c3b-1f2e3d4c5b6a"
#define POST_METER "fab6eb84-500b-4a09-a8ca-7358f8bbaea5"
#define POST_RESOURCE                                                                                                  \
    "/subscriptions/" POST_SUBSCRIPTION "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/web01"

/* A good record of 11:00 to 12:00 on 2026-01-31, half an hour before FIXTURE_NOW. */
struct post post_good(void);

void post_write(const struct post *post, struct buffer *out);
