/* The demo's simulated stamp: who its tenants are and what its resource providers report in each hour. Pure and
 * deterministic: everything is a function of (seed, start hour, hour asked for), so any hour can be produced at
 * any time, twice alike, without state. No clock, no store, no network. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/instant.h"
#include "base/text.h"
#include "usage/subscriptions.h"

#define DEMO_SEED UINT64_C(0x5354414d504d5452)
#define DEMO_HISTORY_HOURS (35 * 24)
#define DEMO_LOCATION "east"
/* Usage of hour H is posted this long after the hour has ended; what goes wrong in an hour, later in it. */
#define DEMO_POST_DELAY_NS (6 * NS_PER_MINUTE)
#define DEMO_EXTRA_DELAY_NS (21 * NS_PER_MINUTE)
/* The Event Hubs provider is heard of last so many hours before the start. */
#define DEMO_SILENT_HOURS 7
#define DEMO_LATE_HOURS_MAX 5

enum demo_source {
    DEMO_COMPUTE,
    DEMO_STORAGE,
    DEMO_NETWORK,
    DEMO_KEY_VAULT,
    DEMO_WEB,
    DEMO_SQL,
    DEMO_MYSQL,
    DEMO_EVENT_HUB, /* the silent one */
    DEMO_SOURCE_COUNT
};
const char *demo_source_name(enum demo_source source); /* "Microsoft.Compute" */

struct demo_tenant {
    const char *subscription; /* GUID; NULL: the stamp's operator, whose id the store knows */
    const char *tenant;       /* GUID */
    const char *display_name, *owner, *offer;
    const char *user;     /* name of the local user */
    const char *provider; /* subscription of the delegated provider who sold it, or NULL */
    enum subscription_state state;
    bool mapped; /* commerce knows a customer subscription for it */
};
/* In the order of the ready file. */
const struct demo_tenant *demo_tenants(size_t *count);
/* The fixed identities of the operator and of the commerce side. */
#define DEMO_OPERATOR_SUBSCRIPTION "c292c7ee-3a3e-5904-a57f-829f3680372e"
struct demo_commerce {
    const char *subscription, *resource_group, *registration, *partner;
};
extern const struct demo_commerce demo_commerce;
/* How long before the start the deleted tenant was deleted. */
#define DEMO_DELETED_HOURS (9 * 24)

struct demo_stamp {
    uint64_t seed;
    int64_t start_hour;
    struct guid operator_subscription; /* App Service reports its workers there */
};

/* What the server should say to a record, for tests: a retry is a duplicate only if the first try arrived. */
enum demo_kind { DEMO_REGULAR, DEMO_LATE, DEMO_RETRY, DEMO_CONFLICT, DEMO_REJECTED, DEMO_KIND_COUNT };

struct demo_report {
    enum demo_source source;
    enum demo_kind kind;
    int64_t due_ns;     /* when the provider posts it */
    struct text record; /* JSON; valid during the call */
};

/* Calls sink for every record that providers post in the hour 'posting_hour' (the regular ones speak of the hour
 * before it), regular ones first. history adds reportedTime. ERROR_NO_MEMORY, or what sink returns. */
MUST_CHECK err_t demo_stamp_report(const struct demo_stamp *stamp, int64_t posting_hour, bool history,
                                   err_t (*sink)(void *context, const struct demo_report *report), void *context);
