/* What the files of api/ share: the api's state, the state of one call, and the ways to answer. Loop thread,
 * but for the functions that say otherwise. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "base/arena.h"
#include "base/json.h"
#include "identity/identity.h"
#include "net/router.h"
#include "store/audit.h"
#include "usage/meters.h"
#include "usage/sanity.h"
#include "usage/summary.h"
#include "usage/watermarks.h"

#define MEDIA_JSON TEXT("application/json; charset=utf-8")
#define MEDIA_CSV TEXT("text/csv; charset=utf-8")
#define RETRY_AFTER_SECONDS "1"

/* Who may use a route (struct route.flags). */
enum {
    FOR_ANYONE = 1 << 16, /* no credentials needed */
    FOR_OPERATOR = 1 << 17,
    FOR_TENANT = 1 << 18,
    FOR_PRODUCER = 1 << 19,
    FOR_COMMERCE = 1 << 20,
    FOR_READERS = FOR_OPERATOR | FOR_TENANT,
    FOR_SIGNED_IN = FOR_OPERATOR | FOR_TENANT | FOR_PRODUCER | FOR_COMMERCE,
    IN_DEMO_ONLY = 1 << 21,
    QUIET = 1 << 22,    /* probes: logged at debug level */
    IN_STAMP = 1 << 23, /* only where the process has that role */
    IN_COMMERCE = 1 << 24,
};

struct api_counters {
    uint64_t accepted, duplicate, conflict, rejected, batches;
    uint64_t responses[6]; /* by status / 100 */
};

/* Notices silent producers (watch.c). */
struct api_watch {
    struct loop_timer *timer;
    struct watermarks_watch job;
    atomic_bool busy;              /* the job is the writer's */
    int64_t since_ns;              /* when this appliance came up, in the store's time */
    int64_t wall_ns, monotonic_ns; /* of the turn before */
};

struct api {
    struct api_options options;
    struct arena *arena; /* catalogue, router tables */
    struct meters *meters;
    struct sanity *sanity; /* the writer's, while a batch runs */
    struct router *router;
    struct server *server;
    struct guid operator_subscription;
    int64_t started_wall_ns, started_monotonic_ns;
    struct api_counters counters;
    struct api_watch watch;
    atomic_bool maintenance_busy; /* a verification or a backup is under way */
    bool draining;
};

/* One request, from headers to answer; in the exchange's arena. */
struct call {
    struct api *api;
    const struct route *route;
    struct identity identity;
    bool signed_in, by_cookie;
    struct text session_token; /* by_cookie */
};

struct call *call_of(struct http_exchange *exchange);
struct api *api_of(struct http_exchange *exchange);
bool call_is_operator(struct http_exchange *exchange);
/* Sessions are about people at their browsers, so they end by the real clock also where the demo's is moved. */
int64_t session_now_ns(void);

/* --- answers (problem.c) --- */

/* The documented error body with headers that belong to the code (WWW-Authenticate, Retry-After,
 * x-ms-error-code). format NULL: the table's text. */
void respond_error(struct http_exchange *exchange, err_t error, const char *target, const char *format, ...)
    PRINTF_LIKE(4, 5);
void respond_info(struct http_exchange *exchange, const struct error_info *info);
void respond_json(struct http_exchange *exchange, int status, struct buffer *body);
/* Errors of the store as a client should see them: what isn't about space or load is 503. */
err_t error_of_store(err_t error);

/* --- work off the loop (jobs.c) --- */

/* A read on a worker with a snapshot of its own, answered when it is back. Allocate it in the exchange's arena
 * as the first member of what the handler needs; the arena belongs to the worker until then. */
struct read_job {
    struct loop_task task;
    struct store_waiter waiter;
    struct http_exchange *exchange;
    struct api *api;
    /* On a worker: fills body, or returns an error with *info. txn is NULL if 'without_snapshot'. */
    err_t (*read)(struct read_job *job, struct kv_txn *txn);
    /* On the loop, instead of the default answer. */
    void (*answer)(struct read_job *job);
    bool without_snapshot;
    struct buffer body;
    struct text content_type; /* default JSON */
    int status;               /* default 200 */
    err_t error;
    struct error_info info;
};
void read_job_start(struct read_job *job, struct http_exchange *exchange);
/* The default answer; for an answer of one's own that has nothing to add. Loop thread. */
void read_job_answer(struct read_job *job);
/* The same once no commit with a reported time before end_ns can appear any more. */
void read_job_start_settled(struct read_job *job, struct http_exchange *exchange, int64_t end_ns);

/* A store job whose end is handled on the loop: set job.run etc., then write_call_start. */
struct write_call {
    struct loop_task task;
    struct store_job *job;
    struct http_exchange *exchange;
    void (*answer)(struct write_call *call); /* job->error tells */
};
void write_call_start(struct write_call *call, struct store_job *job, struct http_exchange *exchange,
                      void (*answer)(struct write_call *call));

/* The same with an entry in the audit log, in the transaction of the change, if it happened (see struct audited_job);
 * who and by which request is filled in (audit.c). */
void write_call_start_audited(struct write_call *call, struct store_job *job, struct http_exchange *exchange,
                              const struct audit_entry *entry, bool (*happened)(struct audited_job *audited),
                              void (*answer)(struct write_call *call));

/* --- parameters (parameters.c) --- */

/* Every ARM route needs an api-version that is in the list (NULL-terminated). Answers and returns false if not. */
bool require_api_version(struct http_exchange *exchange, const char *const *versions);
/* {subscriptionId} of the path. The caller must be an operator, or its tenant; else SubscriptionNotFound is
 * answered and false returned. An operator may name any subscription, and so may the commercial side. */
bool require_subscription(struct http_exchange *exchange, struct guid *subscription);
/* The body as JSON (object), or answers and returns NULL. */
const struct json *require_json_body(struct http_exchange *exchange);
/* "https://host" of this request. Arena. */
struct text base_url(struct http_exchange *exchange);
/* This request's URL with its query, name replaced or added. Arena. */
struct text link_with(struct http_exchange *exchange, struct text name, struct text value);
/* Whether the Accept header asks for text/csv rather than JSON. */
bool wants_csv(struct http_exchange *exchange);

/* The request's id, for the audit log; in the exchange's arena, ptr NULL without memory (audit.c). */
struct text request_id_text(struct http_exchange *exchange);
/* Parts of /v1/status and /metrics that live elsewhere: an object (retention.c), members (rejects.c), lines. */
MUST_CHECK err_t put_retention_status(struct json_writer *json, struct store *store, struct kv_txn *txn);
MUST_CHECK err_t put_rejects_status(struct json_writer *json, struct kv_txn *txn);
MUST_CHECK err_t put_rejects_metrics(struct buffer *out, struct kv_txn *txn);
MUST_CHECK err_t put_findings_metrics(struct buffer *out, struct kv_txn *txn);
/* 'after' (a sequence, 0 if absent) and 'limit' of a list, or answers and returns false (rejects.c). */
bool read_page_parameters(struct http_exchange *exchange, uint64_t limit_default, uint64_t limit_max, uint64_t *after,
                          size_t *limit);
/* 'limit' alone, for lists whose pages go on after a name. */
bool read_page_limit(struct http_exchange *exchange, uint64_t limit_default, uint64_t limit_max, size_t *limit);

/* --- producers that fall silent (watch.c) --- */

/* Looks every few seconds from now on. Once, when the API is made. */
void watch_start(struct api *api);
/* Looks now, then calls then(exchange, context) on the loop (for whoever has just moved the clock), or answers with an
 * error. */
void watch_then(struct http_exchange *exchange, void (*then)(struct http_exchange *exchange, void *context),
                void *context);
/* The members "complete" and "watermark" of a summary; by usage time they are the producers', and "silent" lists the
 * hours that are unknown: {"producer" (if with_producers), "source", "from", "to"}. Any thread (completeness.c). */
MUST_CHECK err_t put_completeness(struct json_writer *json, struct store *store, struct kv_txn *txn,
                                  const struct summary_query *query, int64_t now_ns, bool with_producers);
/* stampmeter_producer_... and stampmeter_alerts_open. Any thread. */
MUST_CHECK err_t put_producer_metrics(struct buffer *out, struct kv_txn *txn, int64_t now_ns);
/* The members "producers" and "alerts" of the status. Any thread. */
MUST_CHECK err_t put_producer_status(struct json_writer *json, struct kv_txn *txn, int64_t now_ns);

/* --- handlers, one file per family --- */

void handle_usage_post(struct http_exchange *exchange, void *context);
void handle_usage_aggregates(struct http_exchange *exchange, void *context);
void handle_subscriber_usage_aggregates(struct http_exchange *exchange, void *context);
void handle_usage_without_subscription(struct http_exchange *exchange, void *context);
void handle_summary(struct http_exchange *exchange, void *context);
void handle_tenants(struct http_exchange *exchange, void *context);
void handle_meters(struct http_exchange *exchange, void *context);

void handle_changes(struct http_exchange *exchange, void *context);
void handle_corrections_post(struct http_exchange *exchange, void *context);
void handle_explain(struct http_exchange *exchange, void *context);
void handle_record_get(struct http_exchange *exchange, void *context);

void handle_watermarks_get(struct http_exchange *exchange, void *context);
void handle_watermarks_post(struct http_exchange *exchange, void *context);
void handle_watermark_put(struct http_exchange *exchange, void *context);
void handle_producers_get(struct http_exchange *exchange, void *context);
void handle_alerts_get(struct http_exchange *exchange, void *context);
void handle_alert_acknowledge(struct http_exchange *exchange, void *context);

void handle_metadata_endpoints(struct http_exchange *exchange, void *context);
void handle_arm_subscriptions(struct http_exchange *exchange, void *context);
void handle_arm_subscription(struct http_exchange *exchange, void *context);
void handle_admin_subscriptions(struct http_exchange *exchange, void *context);
void handle_providers(struct http_exchange *exchange, void *context);
void handle_provider(struct http_exchange *exchange, void *context);
void handle_provider_register(struct http_exchange *exchange, void *context);
void handle_operations(struct http_exchange *exchange, void *context);
void handle_update_encryption(struct http_exchange *exchange, void *context);

void handle_subscriptions_get(struct http_exchange *exchange, void *context);
void handle_subscription_get(struct http_exchange *exchange, void *context);
void handle_subscription_put(struct http_exchange *exchange, void *context);
void handle_subscription_delete(struct http_exchange *exchange, void *context);
void handle_subscription_history(struct http_exchange *exchange, void *context);
void handle_provider_tree(struct http_exchange *exchange, void *context);

void handle_partners_get(struct http_exchange *exchange, void *context);
void handle_partner_get(struct http_exchange *exchange, void *context);
void handle_partner_put(struct http_exchange *exchange, void *context);
void handle_partner_delete(struct http_exchange *exchange, void *context);
void handle_commerce_subscriptions_get(struct http_exchange *exchange, void *context);
void handle_commerce_subscription_get(struct http_exchange *exchange, void *context);
void handle_commerce_subscription_put(struct http_exchange *exchange, void *context);
void handle_commerce_subscription_delete(struct http_exchange *exchange, void *context);
void handle_approvals_get(struct http_exchange *exchange, void *context);
void handle_approval_get(struct http_exchange *exchange, void *context);
void handle_approval_put(struct http_exchange *exchange, void *context);
void handle_approval_request(struct http_exchange *exchange, void *context);

void handle_session_post(struct http_exchange *exchange, void *context);
void handle_session_get(struct http_exchange *exchange, void *context);
void handle_session_delete(struct http_exchange *exchange, void *context);
void handle_tokens_get(struct http_exchange *exchange, void *context);
void handle_tokens_post(struct http_exchange *exchange, void *context);
void handle_token_delete(struct http_exchange *exchange, void *context);
void handle_users_get(struct http_exchange *exchange, void *context);
void handle_users_post(struct http_exchange *exchange, void *context);
void handle_user_disable(struct http_exchange *exchange, void *context);

void handle_rejects_get(struct http_exchange *exchange, void *context);
void handle_reject_get(struct http_exchange *exchange, void *context);
void handle_reject_replay(struct http_exchange *exchange, void *context);
void handle_reject_delete(struct http_exchange *exchange, void *context);
void handle_findings(struct http_exchange *exchange, void *context);
void handle_audit(struct http_exchange *exchange, void *context);
void handle_retention_get(struct http_exchange *exchange, void *context);
void handle_retention_post(struct http_exchange *exchange, void *context);

void handle_verify(struct http_exchange *exchange, void *context);
void handle_backups_post(struct http_exchange *exchange, void *context);
void handle_stat(struct http_exchange *exchange, void *context);
void handle_doctor(struct http_exchange *exchange, void *context);

void handle_heads(struct http_exchange *exchange, void *context);
void handle_heads_key(struct http_exchange *exchange, void *context);

void handle_healthz(struct http_exchange *exchange, void *context);
void handle_readyz(struct http_exchange *exchange, void *context);
void handle_metrics(struct http_exchange *exchange, void *context);
void handle_openapi(struct http_exchange *exchange, void *context);
void handle_status(struct http_exchange *exchange, void *context);
void handle_clock(struct http_exchange *exchange, void *context);

/* registration_stamp.c, activations.c */
void handle_registration_get(struct http_exchange *exchange, void *context);
void handle_registration_token(struct http_exchange *exchange, void *context);
void handle_activations_get(struct http_exchange *exchange, void *context);
void handle_activation_get(struct http_exchange *exchange, void *context);
void handle_activation_configuration(struct http_exchange *exchange, void *context);
void handle_activation_put(struct http_exchange *exchange, void *context);
void handle_activation_delete(struct http_exchange *exchange, void *context);

void handle_registrations_list(struct http_exchange *exchange, void *context);
void handle_arm_registration_get(struct http_exchange *exchange, void *context);
void handle_arm_registration_put(struct http_exchange *exchange, void *context);
void handle_arm_registration_patch(struct http_exchange *exchange, void *context);
void handle_arm_registration_delete(struct http_exchange *exchange, void *context);
void handle_arm_registration_activation_key(struct http_exchange *exchange, void *context);
void handle_arm_registration_remote_management(struct http_exchange *exchange, void *context);
void handle_azurestack_operations(struct http_exchange *exchange, void *context);
void handle_products_list(struct http_exchange *exchange, void *context);
void handle_product(struct http_exchange *exchange, void *context);
void handle_product_list_action(struct http_exchange *exchange, void *context);
void handle_linked_subscriptions(struct http_exchange *exchange, void *context);
void handle_linked_subscription(struct http_exchange *exchange, void *context);
void handle_cloud_manifest(struct http_exchange *exchange, void *context);
void handle_deployment_license(struct http_exchange *exchange, void *context);
void handle_commerce_registrations(struct http_exchange *exchange, void *context);
void handle_commerce_registration(struct http_exchange *exchange, void *context);
void handle_commerce_registration_history(struct http_exchange *exchange, void *context);
void handle_commerce_key(struct http_exchange *exchange, void *context);

/* customers_arm.c, customers_native.c, customers_import.c */
void handle_customer_subscriptions_list(struct http_exchange *exchange, void *context);
void handle_customer_subscription_get(struct http_exchange *exchange, void *context);
void handle_customer_subscription_put(struct http_exchange *exchange, void *context);
void handle_customer_subscription_delete(struct http_exchange *exchange, void *context);
void handle_customers_get(struct http_exchange *exchange, void *context);
void handle_customers_history(struct http_exchange *exchange, void *context);
void handle_customers_import(struct http_exchange *exchange, void *context);
void handle_payer_get(struct http_exchange *exchange, void *context);

extern const struct route api_routes[];
extern const size_t api_routes_count;
