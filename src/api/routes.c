/* The route table: everything the program answers, and who may ask. Paths compare without case, so each
 * spelling of wire-contracts.md needs one line only where segments differ. */
#include "api/api_internal.h"

#define COMMERCE_SIDE (IN_COMMERCE | FOR_COMMERCE)
#define AZURESTACK "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroup}/providers/Microsoft.AzureStack"
#define REGISTRATION AZURESTACK "/registrations/{registrationName}"

#define ACTIVATIONS                                                                                                    \
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroup}/providers/Microsoft.AzureBridge.Admin/activations"

const struct route api_routes[] = {
    /* usage: posting and reading */
    { HTTP_POST, "/v1/usage", handle_usage_post, FOR_PRODUCER | FOR_OPERATOR | IN_STAMP },
    { HTTP_GET, "/v1/summary", handle_summary, FOR_READERS | IN_STAMP },
    { HTTP_GET, "/v1/meters", handle_meters, FOR_READERS },
    { HTTP_GET, "/subscriptions/{subscriptionId}/providers/Microsoft.Commerce/UsageAggregates", handle_usage_aggregates,
      FOR_READERS | IN_STAMP },
    { HTTP_GET, "/subscriptions/{subscriptionId}/providers/Microsoft.Commerce/locations/{location}/UsageAggregates",
      handle_usage_aggregates, FOR_READERS | IN_STAMP },
    { HTTP_GET, "/subscriptions/{subscriptionId}/providers/Microsoft.Commerce.Admin/subscriberUsageAggregates",
      handle_subscriber_usage_aggregates, FOR_READERS | IN_STAMP },
    { HTTP_GET,
      "/subscriptions/{subscriptionId}/providers/Microsoft.Commerce.Admin/locations/{location}/subscriberUsageAggregates",
      handle_subscriber_usage_aggregates, FOR_READERS | IN_STAMP },
    { HTTP_GET,
      "/subscriptions/{subscriptionId}/providers/Microsoft.Commerce.Admin/locations/subscriberUsageAggregates",
      handle_subscriber_usage_aggregates, FOR_READERS | IN_STAMP },
    { HTTP_GET, "/subscriptions/{subscriptionId}/providers/Microsoft.Commerce/subscriberUsageAggregates",
      handle_subscriber_usage_aggregates, FOR_READERS | IN_STAMP },
    { HTTP_GET,
      "/subscriptions/{subscriptionId}/providers/Microsoft.Commerce/locations/{location}/subscriberUsageAggregates",
      handle_subscriber_usage_aggregates, FOR_READERS | IN_STAMP },
    { HTTP_GET, "/subscriptions/providers/Microsoft.Commerce/UsageAggregates", handle_usage_without_subscription,
      FOR_READERS | IN_STAMP },
    { HTTP_GET, "/subscriptions/providers/Microsoft.Commerce.Admin/subscriberUsageAggregates",
      handle_usage_without_subscription, FOR_OPERATOR | IN_STAMP },

    /* correcting it, and what is behind it */
    { HTTP_POST, "/v1/corrections", handle_corrections_post, FOR_PRODUCER | FOR_OPERATOR | IN_STAMP },
    { HTTP_GET, "/v1/records/{source}/{id}", handle_record_get, FOR_READERS | FOR_PRODUCER | IN_STAMP },
    { HTTP_GET, "/v1/changes", handle_changes, FOR_OPERATOR | IN_STAMP },
    { HTTP_GET, "/v1/explain", handle_explain, FOR_READERS | IN_STAMP },

    /* what ARM clients look for around it */
    { HTTP_GET, "/metadata/endpoints", handle_metadata_endpoints, FOR_ANYONE },
    { HTTP_GET, "/subscriptions", handle_arm_subscriptions, FOR_SIGNED_IN },
    { HTTP_GET, "/subscriptions/{subscriptionId}", handle_arm_subscription, FOR_READERS | FOR_COMMERCE },
    { HTTP_GET, "/subscriptions/{subscriptionId}/providers/Microsoft.Subscriptions.Admin/subscriptions",
      handle_admin_subscriptions, FOR_OPERATOR | IN_STAMP },
    { HTTP_GET, "/subscriptions/{subscriptionId}/providers", handle_providers, FOR_READERS | FOR_COMMERCE },
    { HTTP_GET, "/subscriptions/{subscriptionId}/providers/{namespace}", handle_provider, FOR_READERS | FOR_COMMERCE },
    { HTTP_POST, "/subscriptions/{subscriptionId}/providers/{namespace}/register", handle_provider_register,
      FOR_READERS | FOR_COMMERCE },
    { HTTP_GET, "/providers/Microsoft.Commerce.Admin/operations", handle_operations, FOR_SIGNED_IN | IN_STAMP },
    { HTTP_GET, "/providers/Microsoft.Commerce/operations", handle_operations, FOR_SIGNED_IN | IN_STAMP },
    { HTTP_POST, "/subscriptions/{subscriptionId}/providers/Microsoft.Commerce.Admin/updateEncryption",
      handle_update_encryption, FOR_OPERATOR | IN_STAMP },

    /* producers */
    { HTTP_GET, "/v1/watermarks", handle_watermarks_get, FOR_OPERATOR | FOR_PRODUCER | IN_STAMP },
    { HTTP_POST, "/v1/watermarks", handle_watermarks_post, FOR_OPERATOR | FOR_PRODUCER | IN_STAMP },
    { HTTP_PUT, "/v1/watermarks/{producer}/{source}", handle_watermark_put, FOR_OPERATOR | FOR_PRODUCER | IN_STAMP },
    { HTTP_GET, "/v1/producers", handle_producers_get, FOR_OPERATOR | FOR_PRODUCER | IN_STAMP },
    { HTTP_GET, "/v1/alerts", handle_alerts_get, FOR_OPERATOR },
    { HTTP_POST, "/v1/alerts/{id}/acknowledge", handle_alert_acknowledge, FOR_OPERATOR },

    /* subscriptions of the stamp */
    { HTTP_GET, "/v1/subscriptions", handle_subscriptions_get, FOR_READERS | IN_STAMP },
    { HTTP_GET, "/v1/subscriptions/{subscriptionId}", handle_subscription_get, FOR_READERS | IN_STAMP },
    { HTTP_PUT, "/v1/subscriptions/{subscriptionId}", handle_subscription_put, FOR_OPERATOR | IN_STAMP },
    { HTTP_DELETE, "/v1/subscriptions/{subscriptionId}", handle_subscription_delete, FOR_OPERATOR | IN_STAMP },
    { HTTP_GET, "/v1/subscriptions/{subscriptionId}/history", handle_subscription_history, FOR_OPERATOR | IN_STAMP },
    { HTTP_GET, "/v1/providers", handle_provider_tree, FOR_OPERATOR | IN_STAMP },
    { HTTP_GET, "/v1/tenants", handle_tenants, FOR_OPERATOR | FOR_COMMERCE },

    /* what the commercial side knows of the outside world */
    { HTTP_GET, "/v1/commerce/partners", handle_partners_get, COMMERCE_SIDE },
    { HTTP_GET, "/v1/commerce/partners/{partnerId}", handle_partner_get, COMMERCE_SIDE },
    { HTTP_PUT, "/v1/commerce/partners/{partnerId}", handle_partner_put, COMMERCE_SIDE },
    { HTTP_DELETE, "/v1/commerce/partners/{partnerId}", handle_partner_delete, COMMERCE_SIDE },
    { HTTP_GET, "/v1/commerce/subscriptions", handle_commerce_subscriptions_get, COMMERCE_SIDE },
    { HTTP_GET, "/v1/commerce/subscriptions/{subscriptionId}", handle_commerce_subscription_get, COMMERCE_SIDE },
    { HTTP_PUT, "/v1/commerce/subscriptions/{subscriptionId}", handle_commerce_subscription_put, COMMERCE_SIDE },
    { HTTP_DELETE, "/v1/commerce/subscriptions/{subscriptionId}", handle_commerce_subscription_delete, COMMERCE_SIDE },
    { HTTP_GET, "/v1/commerce/approvals", handle_approvals_get, COMMERCE_SIDE },
    { HTTP_GET, "/v1/commerce/approvals/{registrationName}", handle_approval_get, COMMERCE_SIDE },
    { HTTP_PUT, "/v1/commerce/approvals/{registrationName}", handle_approval_put, COMMERCE_SIDE },
    { HTTP_POST, "/v1/commerce/approvals/{registrationName}/request", handle_approval_request, COMMERCE_SIDE },

    /* the stamp's own registration and activation */
    { HTTP_GET, "/v1/registration", handle_registration_get, FOR_OPERATOR | IN_STAMP },
    { HTTP_POST, "/v1/registration/token", handle_registration_token, FOR_OPERATOR | IN_STAMP },
    { HTTP_GET, ACTIVATIONS, handle_activations_get, FOR_OPERATOR | IN_STAMP },
    { HTTP_GET, ACTIVATIONS "/{activationName}", handle_activation_get, FOR_OPERATOR | IN_STAMP },
    { HTTP_PUT, ACTIVATIONS "/{activationName}", handle_activation_put, FOR_OPERATOR | IN_STAMP },
    { HTTP_DELETE, ACTIVATIONS "/{activationName}", handle_activation_delete, FOR_OPERATOR | IN_STAMP },
    { HTTP_GET, ACTIVATIONS "/{activationName}/configuration", handle_activation_configuration,
      FOR_OPERATOR | IN_STAMP },

    /* registrations of stamps, as Azure has them (the commercial side) */
    { HTTP_GET, "/subscriptions/{subscriptionId}/providers/Microsoft.AzureStack/registrations",
      handle_registrations_list, COMMERCE_SIDE },
    { HTTP_GET, AZURESTACK "/registrations", handle_registrations_list, COMMERCE_SIDE },
    { HTTP_GET, REGISTRATION, handle_arm_registration_get, COMMERCE_SIDE },
    { HTTP_PUT, REGISTRATION, handle_arm_registration_put, COMMERCE_SIDE },
    { HTTP_PATCH, REGISTRATION, handle_arm_registration_patch, COMMERCE_SIDE },
    { HTTP_DELETE, REGISTRATION, handle_arm_registration_delete, COMMERCE_SIDE },
    { HTTP_POST, REGISTRATION "/getactivationkey", handle_arm_registration_activation_key, COMMERCE_SIDE },
    { HTTP_POST, REGISTRATION "/enableRemoteManagement", handle_arm_registration_remote_management, COMMERCE_SIDE },
    { HTTP_GET, REGISTRATION "/products", handle_products_list, COMMERCE_SIDE },
    { HTTP_GET, REGISTRATION "/products/{product}", handle_product, COMMERCE_SIDE },
    { HTTP_POST, REGISTRATION "/products/{product}/listDetails", handle_product, COMMERCE_SIDE },
    { HTTP_POST, REGISTRATION "/products/{product}/getProduct", handle_product, COMMERCE_SIDE },
    { HTTP_POST, REGISTRATION "/products/{product}/uploadProductLog", handle_product, COMMERCE_SIDE },
    { HTTP_POST, REGISTRATION "/products/{product}/listProducts", handle_product_list_action, COMMERCE_SIDE },
    { HTTP_POST, REGISTRATION "/products/{product}/getProducts", handle_product_list_action, COMMERCE_SIDE },
    { HTTP_GET, "/subscriptions/{subscriptionId}/providers/Microsoft.AzureStack/linkedSubscriptions",
      handle_linked_subscriptions, COMMERCE_SIDE },
    { HTTP_GET, AZURESTACK "/linkedSubscriptions", handle_linked_subscriptions, COMMERCE_SIDE },
    { HTTP_GET, AZURESTACK "/linkedSubscriptions/{linkedSubscription}", handle_linked_subscription, COMMERCE_SIDE },
    { HTTP_PUT, AZURESTACK "/linkedSubscriptions/{linkedSubscription}", handle_linked_subscription, COMMERCE_SIDE },
    { HTTP_PATCH, AZURESTACK "/linkedSubscriptions/{linkedSubscription}", handle_linked_subscription, COMMERCE_SIDE },
    { HTTP_DELETE, AZURESTACK "/linkedSubscriptions/{linkedSubscription}", handle_linked_subscription, COMMERCE_SIDE },
    { HTTP_GET, "/providers/Microsoft.AzureStack/operations", handle_azurestack_operations, COMMERCE_SIDE },
    { HTTP_GET, "/providers/Microsoft.AzureStack/cloudManifestFiles", handle_cloud_manifest, COMMERCE_SIDE },
    { HTTP_GET, "/providers/Microsoft.AzureStack/cloudManifestFiles/{verificationVersion}", handle_cloud_manifest,
      COMMERCE_SIDE },
    { HTTP_POST, "/subscriptions/{subscriptionId}/providers/Microsoft.AzureStack/generateDeploymentLicense",
      handle_deployment_license, COMMERCE_SIDE },
    { HTTP_GET, "/v1/commerce/registrations", handle_commerce_registrations, COMMERCE_SIDE },
    { HTTP_GET, "/v1/commerce/registrations/{id}", handle_commerce_registration, COMMERCE_SIDE },
    { HTTP_GET, "/v1/commerce/registrations/history", handle_commerce_registration_history, COMMERCE_SIDE },
    { HTTP_GET, "/v1/commerce/key", handle_commerce_key, COMMERCE_SIDE },

    /* who pays for which tenant of them */
    { HTTP_GET, REGISTRATION "/customerSubscriptions", handle_customer_subscriptions_list, COMMERCE_SIDE },
    { HTTP_GET, REGISTRATION "/customerSubscriptions/{customerSubscriptionId}", handle_customer_subscription_get,
      COMMERCE_SIDE },
    { HTTP_PUT, REGISTRATION "/customerSubscriptions/{customerSubscriptionId}", handle_customer_subscription_put,
      COMMERCE_SIDE },
    { HTTP_DELETE, REGISTRATION "/customerSubscriptions/{customerSubscriptionId}", handle_customer_subscription_delete,
      COMMERCE_SIDE },
    { HTTP_GET, "/v1/commerce/customers", handle_customers_get, COMMERCE_SIDE },
    { HTTP_GET, "/v1/commerce/customers/history", handle_customers_history, COMMERCE_SIDE },
    { HTTP_POST, "/v1/commerce/customers/import", handle_customers_import, COMMERCE_SIDE },
    { HTTP_GET, "/v1/commerce/payer", handle_payer_get, COMMERCE_SIDE },

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
    { HTTP_GET, "/v1/rejects", handle_rejects_get, FOR_OPERATOR | FOR_PRODUCER | IN_STAMP },
    { HTTP_GET, "/v1/rejects/{sequence}", handle_reject_get, FOR_OPERATOR | FOR_PRODUCER | IN_STAMP },
    { HTTP_POST, "/v1/rejects/{sequence}/replay", handle_reject_replay, FOR_OPERATOR | FOR_PRODUCER | IN_STAMP },
    { HTTP_DELETE, "/v1/rejects/{sequence}", handle_reject_delete, FOR_OPERATOR | IN_STAMP },
    { HTTP_GET, "/v1/findings", handle_findings, FOR_OPERATOR | IN_STAMP },
    { HTTP_GET, "/v1/audit", handle_audit, FOR_OPERATOR | FOR_COMMERCE },
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
