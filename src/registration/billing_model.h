/* The billing models of a registration and what each asks for and allows (spec section 6.1, wire-contracts 4.1). Pure,
 * any thread. */
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"

enum billing_model {
    BILLING_PAY_AS_YOU_USE,
    BILLING_CAPACITY,
    BILLING_DEVELOPMENT,
    BILLING_CUSTOM,
    BILLING_RUGGEDIZED,
    BILLING_MODEL_COUNT
};
const char *billing_model_name(enum billing_model model); /* "PayAsYouUse", ... */
/* Without case. */
MUST_CHECK bool billing_model_parse(struct text text, enum billing_model *model);

bool billing_model_reports_by_default(enum billing_model model);
/* Whether usage is reported when that was asked for: Capacity never (the registration script forces it off);
 * PayAsYouUse always (the default is on and the registration help says that it cannot be turned off; appendix A 6);
 * the others as asked for. */
bool billing_model_reports(enum billing_model model, bool wanted);
/* Only PayAsYouUse registrations have customer subscriptions (spec 7.2). */
bool billing_model_allows_customers(enum billing_model model);
/* Development is never charged, as the ASDK. Capacity is paid per core and year, not by usage. */
bool billing_model_charges_usage(enum billing_model model);
/* ERROR_MISSING_AGREEMENT_NUMBER (Capacity), ERROR_MISSING_MS_ASSET_TAG (Custom, Ruggedized), with what to do and
 * the member as target. */
MUST_CHECK err_t billing_model_check(enum billing_model model, struct text agreement_number, struct text ms_asset_tag,
                                     struct error_info *info);
