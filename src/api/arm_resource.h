/* What the ARM resources of Microsoft.AzureStack share: api-versions, the path of a registration, etags and their
 * preconditions, pages by $skipToken, systemData (wire-contracts 0, 4 and 5.9). Loop thread, but for what says
 * otherwise. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/api_internal.h"
#include "registration/registration.h"

#define ARM_PAGE_SIZE 100

/* 2017-06-01 and the other three; NULL-terminated, for require_api_version. */
extern const char *const azurestack_versions[];
/* From 2020-06-01-preview on resources have kind and systemData. Any thread while the exchange is unanswered. */
bool arm_version_has_system_data(struct http_exchange *exchange);

/* The first three parameters of the path: subscription, resource group, registration. Answers and returns false when
 * the subscription is no GUID or all zeros (404 SubscriptionNotFound). Group and name are as they came: those that
 * cannot be names are not found. */
bool require_registration_path(struct http_exchange *exchange, struct registration_path *out);
/* The first parameter alone. */
bool require_path_subscription(struct http_exchange *exchange, struct guid *out);

/* If-Match and If-None-Match of the request. */
struct precondition request_precondition(struct http_exchange *exchange);
/* The header ETag, in quotes; nothing when ptr is NULL. Before answering. */
void set_etag_header(struct http_exchange *exchange, struct text etag);

/* $skipToken: where the page before ended (skip_token.h); *given is false on the first page. Answers InvalidProperty
 * and returns false when it is none of ours. */
bool require_skip_guid(struct http_exchange *exchange, struct guid *after, bool *given);
bool require_skip_registration(struct http_exchange *exchange, struct registration_path *after, bool *given);
/* The member nextLink, absolute, with all parameters of the request and $skipToken. Any thread. */
void put_guid_next_link(struct json_writer *json, struct http_exchange *exchange, const struct guid *last);
void put_registration_next_link(struct json_writer *json, struct http_exchange *exchange,
                                const struct registration *last);

/* The member systemData. by_user: somebody at the console, else a token ("Key"). */
struct arm_stamp {
    struct text by;
    bool by_user;
    int64_t time_ns;
};
void put_system_data(struct json_writer *json, const struct arm_stamp *created, const struct arm_stamp *changed);
