/* The billing models as one table (spec section 6.1). */
#include "registration/billing_model.h"

enum reporting { REPORTS_NEVER, REPORTS_ALWAYS, REPORTS_AS_WANTED };
struct model_row {
    const char *name;
    enum reporting reporting;
    bool reports_by_default, allows_customers, charges_usage, needs_agreement, needs_asset_tag;
};

static const struct model_row rows[BILLING_MODEL_COUNT] = {
    [BILLING_PAY_AS_YOU_USE] = { "PayAsYouUse", REPORTS_ALWAYS, .reports_by_default = true, .allows_customers = true,
                                 .charges_usage = true },
    [BILLING_CAPACITY] = { "Capacity", REPORTS_NEVER, .needs_agreement = true },
    [BILLING_DEVELOPMENT] = { "Development", REPORTS_AS_WANTED, .reports_by_default = true },
    [BILLING_CUSTOM] = { "Custom", REPORTS_AS_WANTED, .charges_usage = true, .needs_asset_tag = true },
    [BILLING_RUGGEDIZED] = { "Ruggedized", REPORTS_AS_WANTED, .reports_by_default = true, .charges_usage = true,
                             .needs_asset_tag = true },
};

const char *billing_model_name(enum billing_model model)
{
    return rows[model].name;
}

bool billing_model_parse(struct text text, enum billing_model *model)
{
    for (int m = 0; m < BILLING_MODEL_COUNT; m++) {
        if (text_equal_nocase(text, text_of(rows[m].name))) {
            *model = (enum billing_model)m;
            return true;
        }
    }
    return false;
}

bool billing_model_reports_by_default(enum billing_model model)
{
    return rows[model].reports_by_default;
}

bool billing_model_reports(enum billing_model model, bool wanted)
{
    return rows[model].reporting == REPORTS_ALWAYS || (rows[model].reporting == REPORTS_AS_WANTED && wanted);
}

bool billing_model_allows_customers(enum billing_model model)
{
    return rows[model].allows_customers;
}

bool billing_model_charges_usage(enum billing_model model)
{
    return rows[model].charges_usage;
}

err_t billing_model_check(enum billing_model model, struct text agreement_number, struct text ms_asset_tag,
                          struct error_info *info)
{
    if (rows[model].needs_agreement && text_trim(agreement_number).len == 0)
        return error_set(info, ERROR_MISSING_AGREEMENT_NUMBER, "agreementNumber",
                         "the billing model %s needs the agreement number under which the capacity was ordered; give "
                         "agreementNumber",
                         rows[model].name);
    if (rows[model].needs_asset_tag && text_trim(ms_asset_tag).len == 0)
        return error_set(info, ERROR_MISSING_MS_ASSET_TAG, "msAssetTag",
                         "the billing model %s needs the asset tag that is printed on the product; give msAssetTag",
                         rows[model].name);
    return ERROR_OK;
}
