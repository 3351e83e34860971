/* The route table: everything the program answers, and who may ask. Paths compare without case, so each
 * spelling of wire-contracts.md needs one line only where segments differ. */
#include "api/api_internal.h"

const struct route api_routes[] = {
    /* usage: posting and reading */
    { HTTP_POST, "/v1/usage", handle_usage_post, FOR_PRODUCER | FOR_OPERATOR },
    { HTTP_GET, "/v1/summary", handle_summary, FOR_READERS },
    { HTTP_GET, "/v1/meters", handle_meters, FOR_READERS },
    { HTTP_GET, "/subscriptions/{subscriptionId}/providers/Microsoft.Commerce/UsageAggregates", handle_usage_aggregates,
      FOR_READERS },
    { HTTP_GET, "/subscriptions/{subscriptionId}/providers/Microsoft.Commerce/locations/{location}/UsageAggregates",
      handle_usage_aggregates, FOR_READERS },
    { HTTP_GET, "/subscriptions/{subscriptionId}/providers/Microsoft.Commerce.Admin/subscriberUsageAggregates",
      handle_subscriber_usage_aggregates, FOR_OPERATOR },
    { HTTP_GET,
      "/subscriptions/{subscriptionId}/providers/Microsoft.Commerce.Admin/locations/{location}/subscriberUsageAggregates",
      handle_subscriber_usage_aggregates, FOR_OPERATOR },
    { HTTP_GET,
      "/subscriptions/{subscriptionId}/providers/Microsoft.Commerce.Admin/locations/subscriberUsageAggregates",
      handle_subscriber_usage_aggregates, FOR_OPERATOR },
    { HTTP_GET, "/subscriptions/{subscriptionId}/providers/Microsoft.Commerce/subscriberUsageAggregates",
      handle_subscriber_usage_aggregates, FOR_OPERATOR },
    { HTTP_GET,
      "/subscriptions/{subscriptionId}/providers/Microsoft.Commerce/locations/{location}/subscriberUsageAggregates",
      handle_subscriber_usage_aggregates, FOR_OPERATOR },
    { HTTP_GET, "/subscriptions/providers/Microsoft.Commerce/UsageAggregates", handle_usage_without_subscription,
      FOR_READERS },
    { HTTP_GET, "/subscriptions/providers/Microsoft.Commerce.Admin/subscriberUsageAggregates",
      handle_usage_without_subscription, FOR_OPERATOR },

    /* correcting it, and what is behind it */
    { HTTP_POST, "/v1/corrections", handle_corrections_post, FOR_PRODUCER | FOR_OPERATOR },
    { HTTP_GET, "/v1/records/{source}/{id}", handle_record_get, FOR_READERS | FOR_PRODUCER },
    { HTTP_GET, "/v1/changes", handle_changes, FOR_OPERATOR },
    { HTTP_GET, "/v1/explain", handle_explain, FOR_READERS },

    /* what ARM clients look for around it */
    { HTTP_GET, "/metadata/endpoints", handle_metadata_endpoints, FOR_ANYONE },
    { HTTP_GET, "/subscriptions", handle_arm_subscriptions, FOR_SIGNED_IN },
    { HTTP_GET, "/subscriptions/{subscriptionId}", handle_arm_subscription, FOR_READERS },
    { HTTP_GET, "/subscriptions/{subscriptionId}/providers/Microsoft.Subscriptions.Admin/subscriptions",
      handle_admin_subscriptions, FOR_OPERATOR },
    { HTTP_GET, "/subscriptions/{subscriptionId}/providers", handle_providers, FOR_READERS },
    { HTTP_GET, "/subscriptions/{subscriptionId}/providers/{namespace}", handle_provider, FOR_READERS },
    { HTTP_POST, "/subscriptions/{subscriptionId}/providers/{namespace}/register", handle_provider_register,
      FOR_READERS },
    { HTTP_GET, "/providers/Microsoft.Commerce.Admin/operations", handle_operations, FOR_SIGNED_IN },
    { HTTP_GET, "/providers/Microsoft.Commerce/operations", handle_operations, FOR_SIGNED_IN },
    { HTTP_POST, "/subscriptions/{subscriptionId}/providers/Microsoft.Commerce.Admin/updateEncryption",
      handle_update_encryption, FOR_OPERATOR },

    /* producers */
    { HTTP_GET, "/v1/watermarks", handle_watermarks_get, FOR_OPERATOR | FOR_PRODUCER },
    { HTTP_POST, "/v1/watermarks", handle_watermarks_post, FOR_OPERATOR | FOR_PRODUCER },
    { HTTP_PUT, "/v1/watermarks/{producer}/{source}", handle_watermark_put, FOR_OPERATOR | FOR_PRODUCER },
    { HTTP_GET, "/v1/producers", handle_producers_get, FOR_OPERATOR | FOR_PRODUCER },
    { HTTP_GET, "/v1/alerts", handle_alerts_get, FOR_OPERATOR },
    { HTTP_POST, "/v1/alerts/{id}/acknowledge", handle_alert_acknowledge, FOR_OPERATOR },

    /* subscriptions of the stamp */
    { HTTP_GET, "/v1/subscriptions", handle_subscriptions_get, FOR_READERS },
    { HTTP_GET, "/v1/subscriptions/{subscriptionId}", handle_subscription_get, FOR_READERS },
    { HTTP_PUT, "/v1/subscriptions/{subscriptionId}", handle_subscription_put, FOR_OPERATOR },
    { HTTP_DELETE, "/v1/subscriptions/{subscriptionId}", handle_subscription_delete, FOR_OPERATOR },

    /* identity */
    { HTTP_POST, "/v1/session", handle_session_post, FOR_ANYONE },
    { HTTP_GET, "/v1/session", handle_session_get, FOR_SIGNED_IN },
    { HTTP_DELETE, "/v1/session", handle_session_delete, FOR_SIGNED_IN },
    { HTTP_GET, "/v1/tokens", handle_tokens_get, FOR_OPERATOR },
    { HTTP_POST, "/v1/tokens", handle_tokens_post, FOR_OPERATOR },
    { HTTP_DELETE, "/v1/tokens/{id}", handle_token_delete, FOR_OPERATOR },
    { HTTP_GET, "/v1/users", handle_users_get, FOR_OPERATOR },
    { HTTP_POST, "/v1/users", handle_users_post, FOR_OPERATOR },
    { HTTP_POST, "/v1/users/{name}/disable", handle_user_disable, FOR_OPERATOR },

    /* what was refused, and who changed what */
    { HTTP_GET, "/v1/rejects", handle_rejects_get, FOR_OPERATOR | FOR_PRODUCER },
    { HTTP_GET, "/v1/rejects/{sequence}", handle_reject_get, FOR_OPERATOR | FOR_PRODUCER },
    { HTTP_POST, "/v1/rejects/{sequence}/replay", handle_reject_replay, FOR_OPERATOR | FOR_PRODUCER },
    { HTTP_DELETE, "/v1/rejects/{sequence}", handle_reject_delete, FOR_OPERATOR },
    { HTTP_GET, "/v1/findings", handle_findings, FOR_OPERATOR },
    { HTTP_GET, "/v1/audit", handle_audit, FOR_OPERATOR },
    { HTTP_GET, "/v1/retention", handle_retention_get, FOR_OPERATOR },
    { HTTP_POST, "/v1/retention", handle_retention_post, FOR_OPERATOR },

    /* proofs */
    { HTTP_POST, "/v1/verify", handle_verify, FOR_OPERATOR },
    { HTTP_POST, "/v1/backups", handle_backups_post, FOR_OPERATOR },
    { HTTP_GET, "/v1/stat", handle_stat, FOR_OPERATOR },
    { HTTP_GET, "/v1/doctor", handle_doctor, FOR_OPERATOR },
    { HTTP_GET, "/v1/heads", handle_heads, FOR_OPERATOR },
    { HTTP_GET, "/v1/heads/key", handle_heads_key, FOR_OPERATOR },

    /* operating */
    { HTTP_GET, "/healthz", handle_healthz, FOR_ANYONE | QUIET },
    { HTTP_GET, "/readyz", handle_readyz, FOR_ANYONE | QUIET },
    { HTTP_GET, "/metrics", handle_metrics, FOR_ANYONE | QUIET },
    { HTTP_GET, "/openapi.json", handle_openapi, FOR_ANYONE },
    { HTTP_GET, "/v1/status", handle_status, FOR_OPERATOR },
    { HTTP_POST, "/v1/clock", handle_clock, FOR_OPERATOR | IN_DEMO_ONLY },
};

const size_t api_routes_count = COUNT_OF(api_routes);
