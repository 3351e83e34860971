/* Who pays: how the stamp was registered at that time, and whose mapping the tenant had under that registration. See
 * payer.h. */
#include "registration/payer.h"

#include "registration/customers.h"

const char *payer_kind_name(enum payer_kind kind)
{
    static const char *const names[] = { "none", "default", "customer" };
    return names[kind];
}

/* The tenant's mapping in place of the default, where it has one. */
static err_t apply_customer(struct kv_txn *txn, struct arena *arena, const struct guid *tenant_id, int64_t time_ns,
                            int64_t known_ns, struct payer *payer)
{
    struct customer_change change;
    err_t error = customer_change_at(txn, arena, payer->registration, tenant_id, time_ns, known_ns, &change);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    if (change.effective_ns > payer->since_ns)
        payer->since_ns = change.effective_ns;
    if (change.mapped) {
        payer->kind = PAYER_CUSTOMER;
        payer->subscription_id = change.customer_id;
    }
    return ERROR_OK;
}

err_t payer_resolve(struct kv_txn *txn, struct arena *arena, const struct guid *cloud_id, const struct guid *tenant_id,
                    int64_t time_ns, int64_t known_ns, struct payer *out)
{
    struct registration_change change;
    *out = (struct payer){ .kind = PAYER_NONE, .since_ns = INT64_MIN };
    err_t error = registration_at(txn, arena, cloud_id, time_ns, known_ns, &change);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    out->since_ns = change.effective_ns;
    if (!change.registered)
        return ERROR_OK;
    out->kind = PAYER_DEFAULT;
    out->subscription_id = change.path.subscription_id;
    out->registration = change.registration;
    out->path = change.path;
    out->model = change.model;
    out->usage_reporting = change.usage_reporting;
    out->charged = billing_model_charges_usage(change.model);
    if (guid_is_zero(tenant_id) || !billing_model_allows_customers(change.model))
        return ERROR_OK;
    return apply_customer(txn, arena, tenant_id, time_ns, known_ns, out);
}
