/* The refusals of customer subscriptions: each from its documented cause, with the documented facts and what to do
 * (spec 7.2, 8.2). */
#include "registration/customers.h"

#include "base/instant.h"

#define SHOWN_MAX 64 /* of what a client wrote */

static int shown(struct text text)
{
    return (int)(text.len < SHOWN_MAX ? text.len : SHOWN_MAX);
}

err_t customer_id_parse(struct text text, struct guid *out, struct error_info *info)
{
    if (!guid_parse(text, out) || guid_is_zero(out))
        return error_set(info, ERROR_INVALID_CUSTOMER_SUBSCRIPTION_ID, NULL,
                         "The '%.*s' is not valid: a subscription id is a GUID. Please make sure a valid Azure "
                         "subscription is provided.",
                         shown(text), text.ptr);
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] >= 'A' && text.ptr[i] <= 'F')
            return error_set(info, ERROR_BAD_CUSTOMER_SUBSCRIPTION_ID, NULL,
                             "The customer subscription id '%.*s' is compared with case and has capital letters. "
                             "Please write it in lower case.",
                             shown(text), text.ptr);
    return ERROR_OK;
}

err_t customer_tenant_parse(struct text text, const char *target, struct guid *out, struct error_info *info)
{
    if (guid_parse(text, out) && !guid_is_zero(out))
        return ERROR_OK;
    return error_set(info, ERROR_INVALID_PROPERTY, target,
                     text.len == 0 ? "tenantId is missing: the id (a GUID) of the customer's Entra tenant"
                                   : "tenantId must be the id (a GUID) of the customer's Entra tenant");
}

err_t customer_effective_parse(struct text text, const char *target, int64_t *out_ns, struct error_info *info)
{
    *out_ns = INT64_MIN;
    if (text.len == 0)
        return ERROR_OK;
    if (instant_parse(text, out_ns) != ERROR_OK || *out_ns != hour_start_ns(instant_hour(*out_ns)))
        return error_set(info, ERROR_INVALID_PROPERTY, target,
                         "effectiveFrom must be a time on the hour such as 2026-01-31T13:00:00Z");
    return ERROR_OK;
}

err_t customer_check_model(const struct registration *registration, struct error_info *info)
{
    if (billing_model_allows_customers(registration->model))
        return ERROR_OK;
    return error_set(info, ERROR_CUSTOMER_SUBSCRIPTIONS_NOT_ALLOWED, NULL,
                     "Customer subscriptions operations are not supported for the registration '%.*s': its billing "
                     "model is %s. To use this feature, register again with the billing model PayAsYouUse.",
                     TEXT_ARGS(registration->path.name), billing_model_name(registration->model));
}

/* Names the three ids in the order in which the documentation asks for them. */
static err_t unauthorized(const struct registration *registration, const char *why, const char *remedy,
                          struct error_info *info)
{
    char subscription[GUID_TEXT_SIZE];
    guid_print(&registration->path.subscription_id, subscription);
    return error_set(info, ERROR_UNAUTHORIZED_CSP_REGISTRATION, NULL,
                     "The registration '%.*s' (subscription id %s, resource group '%.*s') %s. %s",
                     TEXT_ARGS(registration->path.name), subscription, TEXT_ARGS(registration->path.resource_group),
                     why, remedy);
}

err_t customer_check_approval(const struct registration *registration, bool approved, struct error_info *info)
{
    err_t error = customer_check_model(registration, info);
    if (error != ERROR_OK || approved)
        return error;
    return unauthorized(registration, "is not approved to use multitenancy",
                        "Have it approved with these three: PUT /v1/commerce/approvals/{registrationName}"
                        "?subscriptionId= with {\"multitenant\":true}.",
                        info);
}

static err_t check_base(const struct registration *registration, const struct customer_facts *facts,
                        struct error_info *info)
{
    if (!facts->base_known)
        return unauthorized(registration, "may not use multitenancy: nobody knows its own subscription",
                            "Enter it first: PUT /v1/commerce/subscriptions/{subscriptionId}.", info);
    if (facts->base.offer == OFFER_CSP || facts->base.offer == OFFER_APSS)
        return ERROR_OK;
    return unauthorized(registration, "may not use multitenancy: its own subscription is neither CSP nor APSS",
                        "Register the stamp with a subscription of a partner.", info);
}

/* Ids of partners are compared without case (commerce/catalogue.h); a resolver may write them in another one. */
static bool same_partner(const struct commercial_subscription *base, const struct commercial_subscription *customer)
{
    return text_equal_nocase(base->partner_id, customer->partner_id) &&
           (base->reseller_id.len == 0 || text_equal_nocase(base->reseller_id, customer->reseller_id));
}

err_t customer_check(const struct registration *registration, const struct guid *customer_id,
                     const struct customer_facts *facts, struct error_info *info)
{
    char id[GUID_TEXT_SIZE];
    guid_print(customer_id, id);
    err_t error = customer_check_approval(registration, facts->approved, info);
    if (error == ERROR_OK)
        error = check_base(registration, facts, info);
    if (error != ERROR_OK)
        return error;
    if (!facts->customer_known)
        return error_set(info, ERROR_INVALID_CUSTOMER_SUBSCRIPTION_ID, NULL,
                         "The '%s' is not valid: nobody knows this subscription. Please make sure a valid Azure "
                         "subscription is provided.",
                         id);
    if (facts->customer.offer != OFFER_CSP || !facts->customer.active)
        return error_set(info, ERROR_INVALID_CSP_SUBSCRIPTION, NULL,
                         "The customer subscription id '%s' is not a valid CSP subscription: %s. Please make sure a "
                         "valid Azure subscription is provided.",
                         id, facts->customer.offer != OFFER_CSP ? "its offer is another one" : "it is disabled");
    if (!same_partner(&facts->base, &facts->customer))
        return error_set(
            info, ERROR_BAD_CUSTOMER_SUBSCRIPTION_ID, NULL,
            "The customer subscription id '%s' and the registration '%.*s' are not owned by the same cloud "
            "solution provider. Please check that the customer subscription id is correct; only customers "
            "of the registration's own partner%s can be added.",
            id, TEXT_ARGS(registration->path.name), facts->base.reseller_id.len > 0 ? " and reseller" : "");
    return ERROR_OK;
}

err_t customer_too_many_changes(const struct guid *tenant_id, struct error_info *info)
{
    char id[GUID_TEXT_SIZE];
    guid_print(tenant_id, id);
    return error_set(info, ERROR_CONFLICT, NULL,
                     "the tenant %s has had %d changes under this registration, and no more can be kept; only its "
                     "mappings can still be taken away",
                     id, CUSTOMER_CHANGES_MAX);
}

err_t customer_not_found(const struct registration *registration, const struct guid *customer_id,
                         struct error_info *info)
{
    char id[GUID_TEXT_SIZE];
    guid_print(customer_id, id);
    return error_set(info, ERROR_CUSTOMER_SUBSCRIPTION_NOT_FOUND, NULL,
                     "The '%s' is not found under the registration '%.*s'. Please make sure a valid Azure subscription "
                     "is used and that it has been added to the registration with PUT.",
                     id, TEXT_ARGS(registration->path.name));
}
